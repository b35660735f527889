"use strict";
// Draws the plots of the page from the rows that stand in it as JSON, and sorts its tables. Nothing is fetched.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = data.rows;
  const FORMATS = ["torchscript", "onnx", "saved_model", "exported_program", "openvino", "litert", "aotinductor"];
  // Each has a contrast of at least 3 to 1 on the light and on the dark panel.
  const COLOURS = ["#e0601f", "#2f7de1", "#159a6c", "#9a62d8", "#c9417e", "#9c7a1b", "#3a94a8"];
  const SOURCE_COLOUR = "#7c8794";
  const PHASES = [
    ["interpreter", "interpreter starts", "#8793a0"],
    ["import", "library is imported", "#2f7de1"],
    ["read", "model is read", "#159a6c"],
    ["open", "session is opened", "#e0601f"],
    ["first_run", "first answer", "#9a62d8"],
  ];
  const SHAPES = ["circle", "triangle", "square", "diamond", "star", "wye", "cross", "hexagon"];
  const methods = [...new Set(["none", "dynamic", "static", ...rows.map(r => r.quantization)])];
  const SYMBOLS = Object.fromEntries(
    methods.filter(m => rows.some(r => r.quantization === m)).map((m, i) => [m, SHAPES[methods.indexOf(m) % SHAPES.length]]),
  );
  const others = [...new Set(rows.map(r => r.format))].filter(f => f !== "source" && !FORMATS.includes(f));
  const formats = [...FORMATS, ...others].filter(f => rows.some(r => r.format === f));
  const colourOf = f => (f === "source" ? SOURCE_COLOUR : COLOURS[[...FORMATS, ...others].indexOf(f) % COLOURS.length]);
  const shown = rows.some(r => r.format === "source") ? [...formats, "source"] : formats;
  const colour = { domain: shown, range: shown.map(colourOf) };

  const digits = v => (v == null ? "–" : v >= 100 ? v.toFixed(0) : Number(v.toPrecision(3)).toString());
  const ms = v => `${digits(v)} ms`,
    mb = v => `${digits(v)} MB`,
    s = v => `${digits(v)} s`,
    percent = v => `${(100 * v).toFixed(2)} %`;
  const small = v => (v === 0 ? "0" : v.toExponential(1).replace(".0e", "e"));
  const has = key => rows.filter(r => r[key] != null);
  const longest = list => d3.max(list, r => r.label.length) || 0;
  const margin = (list, width) => Math.min(7.2 * longest(list) + 14, width * 0.42);

  // What may stand on the vertical axis of the trade-off: figure, words, whether up is good, how it is written.
  const AXES = {
    accuracy: { words: "accuracy", up: true, tell: percent, gate: () => accuracyFloor() },
    worst_drift: { words: "drift, worst output", up: false, tell: small, log: true },
    cold_start_s: { words: "cold start, s", up: false, tell: s, log: true, gate: () => data.gates.cold_start_s },
    peak_mb: { words: "peak memory, MB", up: false, tell: mb, log: true, gate: () => data.gates.memory_mb },
    size_mb: { words: "size, MB", up: false, tell: mb, log: true, gate: () => data.gates.size_mb },
  };

  function accuracyFloor() {
    const source = rows.find(r => r.name === "source");
    return source?.accuracy != null && data.gates.accuracy_drop != null
      ? source.accuracy - data.gates.accuracy_drop
      : null;
  }

  // Of rows with both figures, those that no other row beats at both; in order of latency.
  function front(list, key, up) {
    const sign = up ? -1 : 1;
    let best = Infinity;
    return d3
      .sort(
        list,
        r => r.p50_ms,
        r => sign * r[key],
      )
      .filter(r => {
        if (sign * r[key] >= best) return false;
        best = sign * r[key];
        return true;
      });
  }

  // From the worst edge up to the fastest, along the front, and on to the slow edge.
  function bound(best, key, slowest, worst) {
    if (!best.length) return [];
    return [{ p50_ms: best[0].p50_ms, [key]: worst }, ...best, { p50_ms: slowest, [key]: best[best.length - 1][key] }];
  }

  // Powers of ten where there are many of them; a log axis otherwise marks every digit.
  function decades(low, high, most) {
    const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
    return last - first < 3
      ? undefined
      : d3.range(first, last + 1, Math.ceil((last - first) / most)).map(power => 10 ** power);
  }

  function tradeoff(width) {
    const key = document.getElementById("tradeoff-axis").value,
      axis = AXES[key];
    const floor = 1e-9; // A drift of exactly 0 has no place on a log axis.
    const list = has("p50_ms")
      .filter(r => r[key] != null)
      .map(r => (axis.log ? { ...r, [key]: Math.max(r[key], floor) } : r));
    if (!list.length) return null;
    const best = front(
      list.filter(r => r.name !== "source"),
      key,
      axis.up,
    );
    const xs = list.flatMap(r => r.p50_ms_ci || [r.p50_ms]);
    const ys = list.flatMap(r => (key === "accuracy" && r.accuracy_ci ? r.accuracy_ci : [r[key]]));
    const x = within(d3.extent(xs), data.gates.p50_ms),
      y = within(d3.extent(ys), axis.gate?.(), axis.log);
    const told = r =>
      `${r.label}\n${ms(r.p50_ms)}${r.p50_ms_ci ? ` [${r.p50_ms_ci.map(digits).join(", ")}]` : ""}\n${axis.words}: ${axis.tell(r[key])}`;
    const middle = Math.sqrt(x.domain[0] * x.domain[1]);
    const pad = axis.log ? [y.domain[0] / 1.6, y.domain[1] * 1.6] : widen(y.domain);
    return Plot.plot({
      width,
      height: Math.max(320, Math.min(440, width * 0.5)),
      marginLeft: 62,
      marginBottom: 42,
      marginRight: 24,
      marginTop: 26,
      x: {
        type: "log",
        domain: [x.domain[0] / 1.25, x.domain[1] * 1.35],
        label: "latency, p50 ms (log) →",
        tickFormat: digits,
        ticks: width < 500 ? 4 : 8,
        grid: true,
      },
      y: {
        type: axis.log ? "log" : "linear",
        domain: pad,
        label: `${axis.up ? "↑ " : "↓ less is better: "}${axis.words}`,
        tickFormat:
          key === "accuracy"
            ? v => `${(100 * v).toFixed(1)}%`
            : axis.log
              ? key === "worst_drift"
                ? small
                : digits
              : undefined,
        ticks: 6,
        grid: true,
      },
      color: { ...colour, legend: true },
      symbol: { domain: Object.keys(SYMBOLS), range: Object.values(SYMBOLS), legend: true },
      marks: [
        x.gate == null
          ? null
          : [
              Plot.ruleX([x.gate], { stroke: "var(--bad)", strokeDasharray: "5 4", className: "gate" }),
              Plot.text([x.gate], {
                x: d => d,
                frameAnchor: "top",
                dy: -8,
                text: d => `gate p50_ms ≤ ${d}`,
                fill: "currentColor",
                textAnchor: "end",
              }),
            ],
        y.gate == null
          ? null
          : [
              Plot.ruleY([y.gate], { stroke: "var(--bad)", strokeDasharray: "5 4", className: "gate" }),
              Plot.text([y.gate], {
                y: d => d,
                frameAnchor: "right",
                dy: axis.up ? 10 : -8,
                text: d => `gate ${axis.tell(d)}`,
                textAnchor: "end",
              }),
            ],
        Plot.line(bound(best, key, x.domain[1] * 1.35, axis.up ? pad[0] : pad[1]), {
          x: "p50_ms",
          y: key,
          curve: "step-after",
          stroke: "currentColor",
          strokeOpacity: 0.6,
          strokeWidth: 1.5,
          className: "front",
        }),
        Plot.ruleY(
          list.filter(r => r.p50_ms_ci),
          { x1: r => r.p50_ms_ci[0], x2: r => r.p50_ms_ci[1], y: key, stroke: "format", strokeOpacity: 0.7 },
        ),
        key !== "accuracy"
          ? null
          : Plot.ruleX(
              list.filter(r => r.accuracy_ci),
              {
                y1: r => r.accuracy_ci[0],
                y2: r => r.accuracy_ci[1],
                x: "p50_ms",
                stroke: "format",
                strokeOpacity: 0.6,
              },
            ),
        Plot.dot(list, {
          x: "p50_ms",
          y: key,
          fill: "format",
          symbol: "quantization",
          r: 5.5,
          stroke: "var(--panel)",
          strokeWidth: 1,
          className: "mark",
        }),
        Plot.dot(
          list.filter(r => r.wins),
          { x: "p50_ms", y: key, r: 10, stroke: "currentColor", strokeWidth: 1.5 },
        ),
        ...named(list, middle).map(({ row, left, dy }) =>
          Plot.text([row], {
            x: "p50_ms",
            y: key,
            text: "label",
            dy,
            dx: left ? -8 : 8,
            fontWeight: 600,
            stroke: "var(--panel)",
            strokeWidth: 4,
            fill: "currentColor",
            textAnchor: left ? "start" : "end",
            className: "name",
          }),
        ),
        Plot.tip(list, Plot.pointer({ x: "p50_ms", y: key, title: told, fill: "var(--panel)" })),
      ],
    });
  }

  // Names of the winners and of the source, away from the edge that is nearer so that none runs out of the plot, and by
  // turns above and below their marks so that neighbours of two runs do not lie on each other.
  function named(list, middle) {
    const told = d3.sort(
      list.filter(r => r.wins || r.name === "source"),
      r => r.p50_ms,
    );
    return [true, false].flatMap(left =>
      told.filter(r => r.p50_ms < middle === left).map((row, i) => ({ row, left, dy: [-17, 21, -31, 35][i % 4] })),
    );
  }

  // A gate is drawn where it does not squeeze the marks into a corner: at most a factor of twelve, or as much again, away.
  function within([low, high], gate, log = true) {
    if (gate == null) return { domain: [low, high] };
    const near = log
      ? gate <= high * 12 && gate >= low / 12
      : Math.abs(gate - (low + high) / 2) <= 2 * (high - low || Math.abs(high) || 1);
    return near ? { domain: [Math.min(low, gate), Math.max(high, gate)], gate } : { domain: [low, high] };
  }

  function widen([low, high]) {
    const room = (high - low) * 0.12 || Math.abs(high) * 0.05 || 1;
    return [low - room, high + room];
  }

  function coldStart(width) {
    const list = d3.sort(has("phases"), r => r.cold_start_s);
    if (!list.length) return null;
    const parts = list.flatMap(r => PHASES.map(([key, words]) => ({ label: r.label, words, seconds: r.phases[key] })));
    const gate = data.gates.cold_start_s,
      most = d3.max(list, r => d3.sum(Object.values(r.phases)));
    return Plot.plot({
      width,
      height: 30 * list.length + 60,
      marginLeft: margin(list, width),
      marginRight: 52,
      x: { label: "seconds →", grid: true, ticks: width < 500 ? 4 : 8 },
      y: { domain: list.map(r => r.label), label: null },
      color: { domain: PHASES.map(p => p[1]), range: PHASES.map(p => p[2]), legend: true },
      marks: [
        Plot.barX(parts, {
          x: "seconds",
          y: "label",
          fill: "words",
          order: PHASES.map(p => p[1]),
          insetTop: 3,
          insetBottom: 3,
          className: "mark",
          title: p => `${p.label}: ${p.words} ${s(p.seconds)}`,
        }),
        Plot.text(list, {
          x: r => d3.sum(Object.values(r.phases)),
          y: "label",
          text: r => s(r.cold_start_s),
          textAnchor: "start",
          dx: 5,
        }),
        Plot.tickX(
          list.filter(r => r.cold_cache_s != null),
          {
            x: "cold_cache_s",
            y: "label",
            stroke: "currentColor",
            strokeWidth: 2.5,
            className: "cold",
            title: r => `${r.label}: ${s(r.cold_cache_s)} with a cold page cache`,
          },
        ),
        gate != null && gate <= most * 1.5
          ? Plot.ruleX([gate], {
              stroke: "var(--bad)",
              strokeDasharray: "5 4",
              className: "gate",
              title: () => `gate ${gate} s`,
            })
          : null,
      ],
    });
  }

  function distributions(width) {
    const list = d3.sort(has("samples"), r => r.p50_ms ?? Infinity);
    if (!list.length) return null;
    const q = i => r => r.samples.quantiles_ms[i];
    const told = r =>
      `${r.label}\nmin ${ms(q(0)(r))}\n1 % ${ms(q(1)(r))}\nmedian ${ms(q(5)(r))}\n90 % ${ms(q(7)(r))}\n99 % ${ms(q(9)(r))}\nmax ${ms(q(10)(r))}`;
    return Plot.plot({
      width,
      height: 30 * list.length + 52,
      marginLeft: margin(list, width),
      marginRight: 20,
      marginBottom: 40,
      x: { type: "log", label: "ms per call (log) →", grid: true, tickFormat: digits, ticks: width < 500 ? 4 : 8 },
      y: { domain: list.map(r => r.label), label: null, type: "band" },
      color: colour,
      marks: [
        Plot.ruleY(list, { x1: q(0), x2: q(10), y: "label", stroke: "format", strokeOpacity: 0.3 }),
        Plot.barX(list, {
          x1: q(1),
          x2: q(9),
          y: "label",
          fill: "format",
          fillOpacity: 0.25,
          insetTop: 8,
          insetBottom: 8,
        }),
        Plot.barX(list, {
          x1: q(2),
          x2: q(8),
          y: "label",
          fill: "format",
          fillOpacity: 0.4,
          insetTop: 8,
          insetBottom: 8,
        }),
        Plot.barX(list, {
          x1: q(4),
          x2: q(6),
          y: "label",
          fill: "format",
          insetTop: 5,
          insetBottom: 5,
          className: "mark",
        }),
        Plot.tickX(list, { x: q(5), y: "label", stroke: "currentColor", strokeWidth: 2, insetTop: 3, insetBottom: 3 }),
        Plot.tip(list, Plot.pointerY({ x: q(5), y: "label", title: told, fill: "var(--panel)" })),
      ],
    });
  }

  // Seconds of measuring: the pauses in which a generation's processes are started are left out.
  function withoutPauses(list) {
    const spans = d3.rollups(
      list.flatMap(r => r.samples.at_s.map((at, i) => ({ at, generation: r.samples.generation[i] }))),
      g => d3.extent(g, p => p.at),
      p => p.generation,
    );
    const gap = 0.02 * d3.sum(spans, ([, [first, last]]) => last - first),
      places = new Map();
    let end = 0;
    for (const [generation, [first, last]] of d3.sort(spans, span => span[0])) {
      places.set(generation, { first, start: end });
      end += last - first + gap;
    }
    return {
      place: (at, generation) => places.get(generation).start + at - places.get(generation).first,
      starts: [...places.values()].slice(1).map(p => p.start - gap / 2),
    };
  }

  function rounds(width) {
    const list = d3.sort(has("samples"), r => r.p50_ms ?? Infinity);
    if (!list.length) return null;
    const runs = d3.groups(list, r => r.run).map(([, own]) => [own, withoutPauses(own)]);
    const points = runs.flatMap(([own, { place }]) =>
      own.flatMap(r => {
        const middle = d3.median(r.samples.median_ms);
        return r.samples.at_s.map((at, i) => ({
          label: r.label,
          format: r.format,
          at: place(at, r.samples.generation[i]),
          generation: r.samples.generation[i],
          off: r.samples.median_ms[i] / middle,
          ms: r.samples.median_ms[i],
        }));
      }),
    );
    const sorted = points.map(p => p.off).sort(d3.ascending);
    const low = Math.min(0.9, d3.quantileSorted(sorted, 0.01)),
      high = Math.max(1.1, d3.quantileSorted(sorted, 0.95));
    return Plot.plot({
      width,
      height: 46 * list.length + 56,
      marginLeft: margin(list, width),
      marginRight: 40,
      marginBottom: 40,
      x: { label: "seconds of measuring →", grid: false },
      fy: { domain: list.map(r => r.label), label: null, axis: "left" },
      y: {
        domain: [low, high],
        clamp: true,
        ticks: [1],
        tickFormat: () => "1×",
        label: `each row spans ${low.toFixed(2)}× to ${high.toFixed(2)}×`,
        axis: "right",
      },
      color: colour,
      marks: [
        runs.length > 1 ? null : Plot.ruleX(runs[0][1].starts, { stroke: "var(--soft)", strokeDasharray: "2 3" }),
        Plot.ruleY([1], { stroke: "var(--line)" }),
        Plot.dot(points, {
          x: "at",
          y: "off",
          fy: "label",
          fill: "format",
          r: 1.7,
          className: "mark",
          title: p => `${p.label}, generation ${p.generation + 1}: ${ms(p.ms)}`,
        }),
      ],
    });
  }

  function bars(width, key, words, tell, inner) {
    const list = d3.sort(has(key), r => r[key]);
    if (!list.length) return null;
    const gate = data.gates[{ peak_mb: "memory_mb", size_mb: "size_mb" }[key]],
      most = d3.max(list, r => r[key]);
    return Plot.plot({
      width,
      height: 28 * list.length + 52,
      marginLeft: margin(list, width),
      marginRight: 66,
      x: { label: `${words} →`, grid: true, ticks: width < 500 ? 3 : 6, domain: [0, most] },
      y: { domain: list.map(r => r.label), label: null },
      color: colour,
      marks: [
        Plot.barX(list, {
          x: key,
          y: "label",
          fill: "format",
          fillOpacity: inner ? 0.45 : 1,
          stroke: inner ? "format" : undefined,
          insetTop: 3,
          insetBottom: 3,
          className: "mark",
        }),
        inner ? Plot.barX(list, { x: inner, y: "label", fill: "format", insetTop: 3, insetBottom: 3 }) : null,
        Plot.text(list, { x: key, y: "label", text: r => tell(r[key]), textAnchor: "start", dx: 5 }),
        gate != null && gate <= most * 1.2
          ? Plot.ruleX([gate], { stroke: "var(--bad)", strokeDasharray: "5 4", className: "gate" })
          : null,
      ],
    });
  }

  function drift(width) {
    const points = rows.flatMap(r =>
      Object.entries(r.drift).map(([output, d]) => ({
        label: r.label,
        format: r.format,
        quantization: r.quantization,
        output,
        ...d,
      })),
    );
    if (!points.length) return null;
    const outputs = [...new Set(points.map(p => p.output))],
      labels = [...new Set(points.map(p => p.label))];
    const low =
      d3.min(
        points.filter(p => p.max_relative > 0),
        p => p.max_relative,
      ) ?? 1e-8;
    const at = p => (p.max_relative > 0 ? p.max_relative : low / 10);
    return Plot.plot({
      width,
      height: (24 * labels.length + 8) * outputs.length + 52,
      marginLeft: margin(points, width),
      marginRight: outputs.length > 1 ? 90 : 20,
      marginBottom: 40,
      x: {
        type: "log",
        label: "largest relative difference to the golden (log) →",
        grid: true,
        tickFormat: small,
        ticks: decades(low / 10, d3.max(points, at), width < 500 ? 3 : 9) ?? 4,
      },
      y: { domain: labels, label: null },
      fy: outputs.length > 1 ? { domain: outputs, label: "output" } : undefined,
      color: colour,
      symbol: { domain: Object.keys(SYMBOLS), range: Object.values(SYMBOLS) },
      marks: [
        Plot.ruleY(points, {
          x1: low / 10,
          x2: at,
          y: "label",
          fy: outputs.length > 1 ? "output" : undefined,
          stroke: "format",
          strokeOpacity: 0.4,
        }),
        Plot.dot(points, {
          x: at,
          y: "label",
          fy: outputs.length > 1 ? "output" : undefined,
          fill: "format",
          symbol: "quantization",
          r: 5,
          className: "mark",
          title: p => `${p.label}, ${p.output}: ${small(p.max_relative)}`,
        }),
      ],
    });
  }

  const short = (name, most) => (name.length > most ? `…${name.slice(1 - most)}` : name);
  const lineDash = { stroke: "var(--bad)", strokeDasharray: "5 4", className: "gate" };

  // What the search tried: time over that of fp32 in the same format, against drift.
  function search(width) {
    const floor = 1e-9;
    const list = (data.search?.trials || []).map(t => ({ ...t, drift: Math.max(t.drift, floor) }));
    if (!list.length) return null;
    const edge = d3.sort(
      list.filter(t => t.frontier),
      t => t.ratio,
    );
    const tried = [...new Set(list.map(t => t.format))];
    const xs = d3.extent([...list.flatMap(t => t.ratio_ci), 1]);
    return Plot.plot({
      width,
      height: Math.max(300, Math.min(400, width * 0.45)),
      marginLeft: 62,
      marginBottom: 42,
      marginRight: 24,
      inset: 10,
      x: {
        type: "log",
        domain: [xs[0] / 1.1, xs[1] * 1.1],
        label: "time over fp32's (log) →",
        tickFormat: digits,
        ticks: width < 500 ? 4 : 8,
        grid: true,
      },
      y: { type: "log", label: "↓ less is better: drift, worst output", tickFormat: small, ticks: 5, grid: true },
      color: { domain: tried, range: tried.map(colourOf), legend: true },
      marks: [
        Plot.ruleX([1], { stroke: "currentColor", strokeOpacity: 0.3 }),
        Plot.line(edge, {
          x: "ratio",
          y: "drift",
          z: "format",
          stroke: "format",
          curve: "step-after",
          className: "front",
        }),
        Plot.ruleY(list, { x1: t => t.ratio_ci[0], x2: t => t.ratio_ci[1], y: "drift", stroke: "format" }),
        Plot.dot(list, {
          x: "ratio",
          y: "drift",
          fill: "format",
          fillOpacity: t => (t.cleared ? 1 : 0.25),
          stroke: "format",
          r: 5,
          className: "mark",
        }),
        Plot.dot(
          list.filter(t => t.best),
          { x: "ratio", y: "drift", r: 10, stroke: "currentColor", strokeWidth: 1.5 },
        ),
        Plot.tip(
          list,
          Plot.pointer({
            x: "ratio",
            y: "drift",
            title: t =>
              `trial ${t.number}: ${t.format}, ${t.method}, ${t.precision}\n${t.options}\n${digits(t.ratio)}× [${t.ratio_ci.map(digits).join(", ")}] the time of fp32\ndrift ${small(t.drift)}${t.cleared ? "" : "\nbelow the bar"}`,
            fill: "var(--panel)",
          }),
        ),
      ],
    });
  }

  function layers(width) {
    const found = data.search?.layers || [];
    if (!found.length) return null;
    const alone = new Set(found.map(l => l.method)).size === 1;
    const list = found.map(l => ({ ...l, label: alone ? l.layer : `${l.method}: ${l.layer}` }));
    const most = Math.min(40, Math.floor((width * 0.55 - 14) / 6.4)),
      told = label => short(label, most);
    return Plot.plot({
      width,
      height: 24 * list.length + 62,
      marginLeft: 6.4 * d3.max(list, l => told(l.label).length) + 14,
      marginRight: 36,
      marginBottom: 40,
      x: { label: "dB: the lower, the more sensitive →", grid: true, ticks: width < 500 ? 3 : 6 },
      y: { domain: list.map(l => l.label), label: null, tickFormat: told },
      color: colour,
      marks: [
        Plot.barX(list, {
          x: "snr_db",
          y: "label",
          fill: "format",
          insetTop: 3,
          insetBottom: 3,
          className: "mark",
          title: l => `${l.label} (${l.kind}): ${digits(l.snr_db)} dB`,
        }),
        Plot.text(list, { x: "snr_db", y: "label", text: l => digits(l.snr_db), textAnchor: "start", dx: 5 }),
      ],
    });
  }

  // p99 from the scheduled time, against the rate of arrivals.
  function openLoop(width) {
    const list = data.probes || [];
    if (!list.length) return null;
    const inOrder = d3.sort(list, p => p.rate_per_s);
    const probed = [...new Set(list.map(p => p.format))];
    return Plot.plot({
      width,
      height: Math.max(300, Math.min(400, width * 0.45)),
      marginLeft: 62,
      marginBottom: 42,
      marginRight: 24,
      inset: 10,
      x: { type: "log", label: "requests/s (log) →", tickFormat: digits, ticks: width < 500 ? 4 : 8, grid: true },
      y: { type: "log", label: "↓ less is better: p99, ms (log)", tickFormat: digits, ticks: 6, grid: true },
      color: { domain: probed, range: probed.map(colourOf), legend: true },
      marks: [
        Plot.ruleY([...new Set(list.map(p => p.target))], lineDash),
        Plot.line(inOrder, { x: "rate_per_s", y: "p99_ms", z: "label", stroke: "format", strokeOpacity: 0.5 }),
        Plot.dot(inOrder, {
          x: "rate_per_s",
          y: "p99_ms",
          stroke: "format",
          fill: p => (p.held ? colourOf(p.format) : "var(--panel)"),
          r: 4.5,
          className: "mark",
        }),
        Plot.tip(
          inOrder,
          Plot.pointer({
            x: "rate_per_s",
            y: "p99_ms",
            title: p =>
              `${p.label}\n${digits(p.rate_per_s)} requests/s: p99 ${ms(p.p99_ms)}, ${p.held ? "held" : "missed"}`,
            fill: "var(--panel)",
          }),
        ),
      ],
    });
  }

  const PLOTS = {
    search,
    layers,
    "open-loop": openLoop,
    tradeoff,
    distributions,
    rounds,
    drift,
    "cold-start": coldStart,
    memory: width => bars(width, "peak_mb", "peak memory, MB", mb, "loaded_mb"),
    size: width => bars(width, "size_mb", "size, MB", mb),
  };

  function draw(element) {
    // A page that is being laid out anew can be no wider than a few pixels for a moment.
    const plot = PLOTS[element.dataset.plot](Math.max(element.clientWidth, 240));
    element.replaceChildren(...(plot ? [plot] : []));
    const figure = element.closest("figure");
    for (const svg of element.querySelectorAll("svg")) {
      // One picture with one name; its figures stand in the tables.
      const main =
        svg.parentElement === element ||
        (svg.parentElement.parentElement === element && svg.tagName === "svg" && !svg.closest("[class*=swatch]"));
      if (main) {
        svg.setAttribute("role", "img");
        svg.setAttribute("aria-label", figure.querySelector("figcaption").textContent.trim());
      } else svg.setAttribute("aria-hidden", "true");
      for (const inner of svg.querySelectorAll("[aria-label]")) inner.removeAttribute("aria-label");
    }
    figure.hidden = !plot;
    figure.closest("section").hidden = !plot && !element.closest("section").querySelector(".plot > *, table");
  }

  function drawAll() {
    for (const element of document.querySelectorAll(".plot")) draw(element);
  }

  function sortable(table) {
    table.querySelectorAll("thead th[data-sort]").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const index = [...head.parentElement.children].indexOf(head);
        const value = row => row.children[index].dataset.value ?? "";
        const order = (a, b) =>
          head.dataset.sort === "number" ? Number(value(a)) - Number(value(b)) : value(a).localeCompare(value(b));
        const lines = [...table.tBodies[0].rows];
        // What has no figure stays at the end in both directions.
        const [with_, without] = [lines.filter(r => value(r) !== ""), lines.filter(r => value(r) === "")];
        table.tBodies[0].append(...with_.sort((a, b) => (up ? order(a, b) : order(b, a))), ...without);
      });
    });
  }

  const axis = document.getElementById("tradeoff-axis");
  if (axis) {
    for (const [key, { words }] of Object.entries(AXES)) {
      if (has(key).some(r => r.name !== "source")) axis.append(new Option(words, key));
    }
    axis.addEventListener("change", () => draw(document.querySelector("[data-plot=tradeoff]")));
  }
  document.querySelectorAll("table.sortable").forEach(sortable);
  drawAll();
  let width = document.documentElement.clientWidth;
  addEventListener("resize", () => {
    if (document.documentElement.clientWidth !== width) {
      width = document.documentElement.clientWidth;
      drawAll();
    }
  });
})();
