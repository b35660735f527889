"""The models of the study: code that processes of their own run, since no two of the libraries share one."""

from __future__ import annotations

MODULES = """
from torch import nn

def large():
    hidden = [layer for _ in range(15) for layer in (nn.Linear(4096, 4096), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(4096, 8))

def resnet50():
    from transformers import ResNetConfig, ResNetForImageClassification
    return logits(ResNetForImageClassification(ResNetConfig()))

def mobilenet():
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification
    return logits(MobileNetV2ForImageClassification(MobileNetV2Config(image_size=224)))

def logits(model):
    class Logits(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model
        def forward(self, pixels):
            return self.model(pixels).logits
    return Logits()
"""
"""What stands in `model.py`. `large` has 1.01 GB of weights."""
WEIGHTS = """
import sys, torch
from safetensors.torch import save_file
import model
torch.manual_seed(0)
save_file(dict(getattr(model, sys.argv[1])().state_dict()), "weights.safetensors")
"""
LARGE = """
import model, torch
torch.manual_seed(0)
module, x = model.large().eval(), torch.randn(2, 4096)
free = ({0: torch.export.Dim("batch")},)
"""
CHECKPOINT = LARGE + "torch.save(module.state_dict(), 'weights.pt')"
TORCHSCRIPT = LARGE + "torch.jit.trace(module, x).save('model.pt')"
EXPORTED = LARGE + "torch.export.save(torch.export.export(module, (x,), dynamic_shapes=free), 'model.pt2')"
CONVOLUTIONS = """
import torch
from torch import nn
torch.manual_seed(0)
layers = [layer for _ in range(27) for layer in (nn.Conv2d(1024, 1024, 3, padding=1), nn.BatchNorm2d(1024), nn.ReLU())]
module, x = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval(), torch.randn(2, 1024, 8, 8)
free = ({0: torch.export.Dim("batch")},)
torch.export.save(torch.export.export(module, (x,), dynamic_shapes=free), "model.pt2")
"""
ONNX = LARGE + (
    "torch.onnx.export(module, (x,), 'model.onnx', dynamo=True, external_data=True, dynamic_shapes=free, "
    "input_names=['x'], output_names=['y'])"
)
KERAS = """
import keras
keras.utils.set_random_seed(0)
hidden = [keras.layers.Dense(4096, activation="relu") for _ in range(15)]
model = keras.Sequential([keras.Input((4096,)), *hidden, keras.layers.Dense(8)])
"""
KERAS_FILE = KERAS + "model.save('model.keras')"
H5_FILE = KERAS + "model.save('model.h5')"
SAVED_MODEL = KERAS + "model.export('model', verbose=False)"
APPLICATION = """
import sys, keras
keras.utils.set_random_seed(0)
model = getattr(keras.applications, sys.argv[1])(weights=None, classifier_activation=None)
"""
HUGGINGFACE = """
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
torch.manual_seed(0)
config = BertConfig(num_hidden_layers=32, architectures=["BertForSequenceClassification"])
BertForSequenceClassification(config).save_pretrained("model")
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(1000))]
open("vocab.txt", "w").write("\\n".join(words))
BertTokenizerFast("vocab.txt", model_max_length=64).save_pretrained("model")
"""
FOREST = """
import joblib, numpy as np
from sklearn.ensemble import RandomForestRegressor
random = np.random.default_rng(0)
x = random.standard_normal((50000, 8)).astype(np.float32)
joblib.dump(RandomForestRegressor(60, random_state=0).fit(x, random.standard_normal(50000)), "model.joblib")
"""
PIPELINE = """
import joblib, numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
random = np.random.default_rng(0)
x = random.standard_normal((2000, 16)).astype(np.float32)
model = make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=100, random_state=0))
joblib.dump(model.fit(x, x[:, 0] * x[:, 1] > 0), "model.joblib")
"""
