"""The modules of the ATen → SavedModel tests. The quick ones run always, the architectures of `SLOW` on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from aten_case import Case, Input
from torch import Tensor, nn
from torch._higher_order_ops import while_loop
from torch.nn import functional as F

IMAGE = {"image": Input("float32", ("batch", 3, 32, 48))}
PHOTO = {"image": Input("float32", ("batch", 3, 64, 64))}
FREE_IMAGE = {"image": Input("float32", ("batch", 3, "height", "width"))}
TOKENS = {"input_ids": Input("int64", ("batch", "sequence"), high=90)}
MASKED_TOKENS = {**TOKENS, "attention_mask": Input("int64", ("batch", "sequence"), high=2)}
VECTORS = {"x": Input("float32", ("batch", "sequence", 12))}
ROWS = {"x": Input("float32", ("batch", 12))}
BATCHES = ({"batch": 1}, {"batch": 5})
SIZES = ({"batch": 1, "height": 64, "width": 32}, {"batch": 3, "height": 32, "width": 96})


class Function(nn.Module):
    """A module of one function, with submodules that it is given."""

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self, *inputs)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 4))


def randomized(module: nn.Module) -> nn.Module:
    """Batch norms with statistics of their own, or they would be tested as identities."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            nn.init.normal_(part.running_mean, std=0.2)
            nn.init.uniform_(part.running_var, 0.6, 1.4)
            if part.affine:
                nn.init.uniform_(part.weight, 0.6, 1.4)
                nn.init.normal_(part.bias, std=0.2)
    return module


def cnn() -> nn.Module:
    return randomized(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 10),
        )
    )


class InvertedResidual(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.residual = stride == 1 and inside == outside
        self.body = nn.Sequential(
            nn.Conv2d(inside, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(inplace=True),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(inplace=True),
            nn.Conv2d(wide, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def mobilenet() -> nn.Module:
    blocks = [InvertedResidual(8, 8, 1, 1), InvertedResidual(8, 12, 2, 4), InvertedResidual(12, 12, 1, 4)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, 10)]
    return randomized(
        nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(), *blocks, *head)
    )


class Tagger(nn.Module):
    def __init__(self, kind: type[nn.Module] = nn.LSTM) -> None:
        super().__init__()
        self.embedding = nn.Embedding(90, 16)
        self.layers = kind(16, 12, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.head = nn.Linear(24, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.layers(self.embedding(tokens))[0])


class Recurrent(nn.Module):
    """Time first, states given and given back."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(12, 8, proj_size=6)
        self.gru = nn.GRU(6, 5, bias=False)
        self.rnn = nn.Sequential(nn.RNN(5, 4, nonlinearity="relu"), nn.RNN(4, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x, (hidden, cell) = self.lstm(x.transpose(0, 1))
        x, _ = self.gru(x)
        x, _ = self.rnn[0](x)
        x, last = self.rnn[1](x)
        return x, hidden, cell, last


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image, self.table = nn.Conv2d(3, 4, 3), nn.Linear(6, 4)

    def forward(self, image: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        joint = self.image(image).mean((2, 3)) + self.table(table)
        return joint.softmax(-1), joint.norm(dim=-1)


class Tied(nn.Module):
    """Embedding and head share one weight; another is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(90, 16)
        self.twice = nn.Linear(16, 16)
        self.head = nn.Linear(16, 90, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return self.head(self.twice(torch.tanh(self.twice(x))))


class TiedTheOtherWay(Tied):
    """The head's matrix is read before the embedding's rows."""

    def forward(self, tokens: Tensor) -> Tensor:
        scores = self.head(tokens.unsqueeze(-1).expand(-1, -1, 16) / 90)
        return scores + self.head(self.embedding(tokens))


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.high, self.low = nn.Linear(12, 3), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda x: self.high(x), lambda x: torch.sin(self.low(x)), (x,))


class ManyTypes(nn.Module):
    def forward(self, count: Tensor, flag: Tensor, half: Tensor, real: Tensor) -> tuple[Tensor, ...]:
        wide = half.float() * count
        return (
            torch.where(flag, wide, real.float()),
            count * 2 + flag,
            ~flag & (count > 4),
            half * 2 + 1,
            real - 0.5,
            half.double() + count.to(torch.int32),
        )


class Untouched(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = x + 1
        return x, y, y


class WritesInPlace(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = x.clone()
        y[:, 0] = 1
        y[:, 2:5] += x[:, 2:5]
        y[:, -1].mul_(3)
        y[:, :, ::3] = 0
        z = torch.zeros_like(y)
        z.add_(y, alpha=2).relu_()
        return y, z


class LengthArithmetic(nn.Module):
    """What codes do with sizes: windows, relative positions, padding to a multiple."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        batch, length, width = x.shape
        padded = F.pad(x, (0, 0, 0, (4 - length % 4) % 4))
        windows = padded.view(batch, padded.shape[1] // 4, 4, width).mean(2)
        positions = torch.arange(length)
        distance = (positions[:, None] - positions[None, :]).abs().clamp(max=5)
        mask = torch.full((length, length), float("-inf")).triu(1)
        halves = x[:, : length // 2], x[:, length // 2 :]
        return windows, distance, mask.softmax(-1), torch.cat(halves[::-1], 1), x / length, x.new_ones(length, batch)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.1))
        self.down2 = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.InstanceNorm2d(16, affine=True), nn.SiLU())
        self.middle = nn.Sequential(nn.Conv2d(16, 16, 3, padding=2, dilation=2), nn.GroupNorm(4, 16), nn.Mish())
        self.up = nn.ConvTranspose2d(16, 16, 2, 2)
        self.join = nn.Conv2d(24, 8, 3, padding="same", padding_mode="reflect")
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        y = F.interpolate(self.middle(F.avg_pool2d(second, 2)), size=second.shape[-2:], mode="bilinear")
        return self.head(self.join(torch.cat([first, self.up(y + second)], 1))).log_softmax(1)


class SuperResolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.PReLU(12), nn.Conv2d(12, 12, 3, padding=1, groups=3)
        )
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(self.body(x)) + F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)


class Speech(nn.Module):
    """Weight-normed 1-D convolutions, GLU, relative positions by einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.utils.parametrizations.weight_norm(nn.Conv1d(12, 16, 3, padding=1, groups=2))
        self.depthwise = nn.Conv1d(8, 8, 5, padding="same", groups=8)
        self.up = nn.ConvTranspose1d(8, 6, 4, stride=2, padding=1, output_padding=1)
        self.queries = nn.Parameter(torch.randn(3, 6))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = F.glu(self.norm(x.transpose(1, 2)), dim=1)
        y = self.up(F.elu(self.depthwise(y)))
        return y, torch.einsum("bct,qc->bqt", y, self.queries)


class Volume(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, 4, 3, padding=1)
        self.second = nn.Conv3d(4, 4, 3, stride=2, groups=2)
        self.up = nn.ConvTranspose3d(4, 2, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(F.max_pool3d(self.second(F.avg_pool3d(self.first(x), 2)), 1)).flatten(2)


def _encoder() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 3, 24, batch_first=True), 2)


class EncoderWithMask(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 3, 24, norm_first=True), 2)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        padding = padding & (torch.arange(x.shape[1]) > 0)
        return self.encoder(x.transpose(0, 1), mask=mask, src_key_padding_mask=padding)


class Halving(nn.Module):
    """A loop whose number of rounds depends on the data, and a block under autocast."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        def body(i: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            return i + 1, x / 2

        rounds, x = while_loop(lambda i, x: x.abs().sum() > 3, body, (torch.tensor(0), x))
        with torch.autocast("cpu", enabled=False):
            return rounds, self.linear(x)


def _autocast(module: Any, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return module.linear(x).float()


class Wide(nn.Module):
    """Weights large enough to be worth storing as integers: a table, a filter, a matrix, a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(500, 64)
        self.filter = nn.Conv1d(64, 64, 3, padding=1)
        self.recurrent = nn.LSTM(64, 64, batch_first=True)
        self.matrix = nn.Linear(64, 500)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.relu(self.filter(self.table(tokens).mT)).mT
        return self.matrix(self.recurrent(x)[0])


QUICK = [
    Case("mlp", mlp, ROWS),
    Case("cnn", cnn, IMAGE),
    Case("cnn_of_any_size", cnn, FREE_IMAGE, checked=SIZES),
    Case("mobilenet", mobilenet, IMAGE),
    Case("lstm_tagger", Tagger, TOKENS),
    Case("gru_tagger", lambda: Tagger(nn.GRU), TOKENS),
    Case("recurrent_states", Recurrent, VECTORS, ("sequence", "hidden", "cell", "last")),
    Case("two_inputs", TwoInputs, {**IMAGE, "table": Input("float32", ("batch", 6))}, ("probabilities", "norm")),
    Case("tied_weights", Tied, TOKENS),
    Case("tied_the_other_way", TiedTheOtherWay, TOKENS),
    Case("branching", Branching, ROWS, checked=tuple({"batch": n} for n in (1, 3, 4, 5, 6))),
    Case(
        "many_types",
        ManyTypes,
        {
            "count": Input("int64", ("batch", 4)),
            "flag": Input("bool", ("batch", 4)),
            "half": Input("float16", ("batch", 4)),
            "real": Input("float64", ("batch", 4)),
        },
        ("a", "b", "c", "d", "e", "f"),
    ),
    Case("under_autocast", lambda: Function(_autocast, linear=nn.Linear(12, 4)), ROWS, tolerance=2e-2),
    Case("wide", Wide, TOKENS),
    Case("halving", Halving, ROWS, ("rounds", "y")),
    Case("untouched", Untouched, ROWS, ("same", "more", "again")),
    Case("writes_in_place", WritesInPlace, VECTORS, ("y", "z")),
    Case("length_arithmetic", LengthArithmetic, VECTORS, ("a", "b", "c", "d", "e", "f")),
    Case("unet", UNet, FREE_IMAGE, checked=SIZES),
    Case("super_resolution", SuperResolution, FREE_IMAGE, checked=SIZES),
    Case("speech", Speech, VECTORS, ("y", "scores")),
    Case("volume", Volume, {"x": Input("float32", ("batch", 1, 10, 12, 14))}),
    Case("transformer_encoder", _encoder, VECTORS),
    Case(
        "transformer_encoder_with_masks",
        EncoderWithMask,
        {**VECTORS, "padding": Input("bool", ("batch", "sequence"))},
    ),
]


# --- architectures of transformers, small, with random weights


def _hugging(kind: str, output: Callable[[Any], Any], **configuration: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        model = getattr(transformers, kind)
        config = model.config_class(**configuration)
        return _Hugging(randomized(model(config).eval()), output)

    return make


class _Hugging(nn.Module):
    def __init__(self, model: Any, output: Callable[[Any], Any]) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, *inputs: Tensor) -> Any:
        return self.output(self.model(*inputs))


def _hidden(result: Any) -> Any:
    return result.last_hidden_state


def _logits(result: Any) -> Any:
    return result.logits


_TEXT = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}

SLOW = [
    Case(
        "bert",
        _hugging("BertModel", lambda r: (r.last_hidden_state, r.pooler_output), **_TEXT),
        MASKED_TOKENS,
        ("hidden", "pooled"),
    ),
    Case(
        "distilbert",
        _hugging("DistilBertModel", _hidden, vocab_size=100, dim=32, n_layers=2, n_heads=4, hidden_dim=64),
        MASKED_TOKENS,
    ),
    Case("roberta", _hugging("RobertaModel", _hidden, **_TEXT), MASKED_TOKENS),
    Case("albert", _hugging("AlbertModel", _hidden, embedding_size=16, **_TEXT), MASKED_TOKENS),
    Case("electra", _hugging("ElectraModel", _hidden, embedding_size=16, **_TEXT), MASKED_TOKENS),
    Case(
        "deberta",
        _hugging("DebertaV2Model", _hidden, relative_attention=True, pos_att_type=["p2c", "c2p"], **_TEXT),
        MASKED_TOKENS,
    ),
    Case(
        "mobilebert",
        _hugging("MobileBertModel", _hidden, intra_bottleneck_size=16, embedding_size=16, true_hidden_size=16, **_TEXT),
        MASKED_TOKENS,
    ),
    Case(
        "gpt2",
        _hugging("GPT2LMHeadModel", _logits, vocab_size=100, n_embd=32, n_layer=2, n_head=4, use_cache=False),
        TOKENS,
    ),
    Case("gpt_neox", _hugging("GPTNeoXForCausalLM", _logits, use_cache=False, **_TEXT), TOKENS),
    Case(
        "llama", _hugging("LlamaForCausalLM", _logits, num_key_value_heads=2, use_cache=False, **_TEXT), MASKED_TOKENS
    ),
    Case("qwen2", _hugging("Qwen2ForCausalLM", _logits, num_key_value_heads=2, use_cache=False, **_TEXT), TOKENS),
    Case(
        "t5_encoder",
        _hugging("T5EncoderModel", _hidden, vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4),
        MASKED_TOKENS,
    ),
    Case(
        "vit",
        _hugging(
            "ViTForImageClassification",
            _logits,
            image_size=64,
            patch_size=16,
            **{k: v for k, v in _TEXT.items() if k != "vocab_size"},
        ),
        PHOTO,
    ),
    Case("resnet50", _hugging("ResNetForImageClassification", _logits), PHOTO, tolerance=1e-3),
    Case(
        "convnext",
        _hugging("ConvNextForImageClassification", _logits, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1]),
        PHOTO,
    ),
    Case(
        "convnextv2",
        _hugging("ConvNextV2ForImageClassification", _logits, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1]),
        PHOTO,
    ),
    Case(
        "swin",
        _hugging(
            "SwinForImageClassification",
            _logits,
            image_size=64,
            embed_dim=16,
            depths=[2, 2],
            num_heads=[2, 4],
            window_size=4,
        ),
        PHOTO,
    ),
    Case(
        "efficientnet",
        _hugging(
            "EfficientNetForImageClassification",
            _logits,
            image_size=64,
            width_coefficient=0.25,
            depth_coefficient=0.3,
            hidden_dim=320,
        ),
        PHOTO,
        tolerance=1e-3,
    ),
    Case(
        "mobilenet_v2",
        _hugging("MobileNetV2ForImageClassification", _logits, image_size=64, depth_multiplier=0.35),
        PHOTO,
        tolerance=1e-3,
    ),
    Case(
        "mobilevit",
        _hugging(
            "MobileViTForImageClassification",
            _logits,
            image_size=64,
            hidden_sizes=[16, 20, 24],
            neck_hidden_sizes=[8, 8, 12, 16, 20, 24, 32],
        ),
        PHOTO,
        tolerance=1e-3,
    ),
    Case(
        "regnet",
        _hugging(
            "RegNetForImageClassification", _logits, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], groups_width=8
        ),
        PHOTO,
    ),
    Case(
        "segformer",
        _hugging(
            "SegformerForSemanticSegmentation",
            _logits,
            depths=[1, 1, 1, 1],
            hidden_sizes=[8, 16, 24, 32],
            num_attention_heads=[1, 2, 3, 4],
            decoder_hidden_size=16,
        ),
        PHOTO,
    ),
    Case(
        "dpt",
        _hugging(
            "DPTForDepthEstimation",
            lambda r: r.predicted_depth,
            image_size=64,
            patch_size=16,
            hidden_size=32,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=64,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[8, 16, 24, 32],
            fusion_hidden_size=16,
            readout_type="project",
        ),
        PHOTO,
        tolerance=1e-3,
    ),
    Case(
        "wav2vec2",
        _hugging(
            "Wav2Vec2Model",
            _hidden,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            conv_dim=[16, 16, 16],
            conv_stride=[5, 2, 2],
            conv_kernel=[10, 3, 3],
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
        ),
        {"speech": Input("float32", ("batch", "samples"))},
        traced={"samples": 800},
        checked=({"batch": 1, "samples": 640}, {"batch": 3, "samples": 1234}),
    ),
    Case(
        "clip_vision",
        _hugging(
            "CLIPVisionModel",
            lambda r: r.pooler_output,
            image_size=64,
            patch_size=16,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
        ),
        PHOTO,
    ),
    Case("xlnet", _hugging("XLNetModel", _hidden, vocab_size=100, d_model=32, n_layer=2, n_head=4, d_inner=64), TOKENS),
    Case("mpnet", _hugging("MPNetModel", _hidden, **_TEXT), MASKED_TOKENS),
    Case("squeezebert", _hugging("SqueezeBertModel", _hidden, embedding_size=32, **_TEXT), MASKED_TOKENS),
    Case(
        "mamba",
        _hugging(
            "MambaForCausalLM",
            _logits,
            vocab_size=100,
            hidden_size=32,
            num_hidden_layers=2,
            state_size=4,
            use_cache=False,
        ),
        {"input_ids": Input("int64", ("batch", 7), high=90)},
    ),
]


# --- what must be refused, and how


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        inner = Function(lambda m, x: torch.fft.rfft(x).abs())
        self.spectrum = Function(lambda m, x: m.inner(x), inner=inner)
        self.values = Function(lambda m, x: torch.linalg.eigvalsh(x.mT @ x))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.spectrum(x), self.values(x)


REFUSED = [
    Case("unknown_operators", Unknown, VECTORS, ("spectrum", "values")),
    Case("frozen_length", lambda: Function(lambda m, x: x * int(x.shape[1] / 2)), VECTORS),
    Case("odd_name", mlp, {"a/b": Input("float32", ("batch", 12))}),
    Case("training_mode", lambda: nn.Sequential(nn.Linear(12, 4), nn.Dropout()), ROWS, training=True),
]
