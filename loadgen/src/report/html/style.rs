//! How pages and drawings look.

/// Colours, light and dark.
pub(crate) const COLOURS: &str = r"
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d2129; --soft: #667080; --line: #e3e1dc; --grid: #ecebe7;
  --s0: #2563a8; --s1: #d97706; --s2: #b4232c; --s3: #6b7280; --mark: #b4232c; --heat: #2563a8; --idle: #f1efea;
  --good: #14713d; --good-paper: #e3f4e9; --bad: #a31621; --bad-paper: #fde8e8; --warn: #8a5200; --warn-paper: #fdf1d8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171c; --card: #1b1f26; --ink: #e7e9ee; --soft: #9aa3b2; --line: #2c323c; --grid: #262b34;
    --s0: #6cb0f5; --s1: #f2a93b; --s2: #ff7b81; --s3: #9aa3b2; --mark: #ff7b81; --heat: #6cb0f5; --idle: #20252d;
    --good: #7bd99c; --good-paper: #16301f; --bad: #ff9a9e; --bad-paper: #3a1a1d; --warn: #f5c46b; --warn-paper: #362a12;
  }
}
";

/// What is drawn.
pub(crate) const DRAWING: &str = r"
svg text { fill: var(--soft); font: 11px system-ui, 'Segoe UI', Roboto, sans-serif; }
.grid { stroke: var(--grid); stroke-width: 1; } .axis { stroke: var(--line); stroke-width: 1; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); }
.line.s3, .law { stroke-dasharray: 4 3; } .same { stroke: var(--soft); stroke-dasharray: 2 4; }
.rest { fill: var(--soft); opacity: .09; } .mark { fill: var(--mark); opacity: .15; } .edge { stroke: var(--mark); stroke-width: 1; stroke-dasharray: 3 3; }
svg text.label { fill: var(--mark); } .dot { fill: transparent; } .dot:hover { fill: var(--ink); }
.point { fill: var(--card); stroke-width: 2; } .point.counts.s0 { fill: var(--s0); } .point.counts.s1 { fill: var(--s1); }
.point.counts.s2 { fill: var(--s2); } .point.counts.s3 { fill: var(--s3); }
.paper { fill: var(--card); } svg text.title { fill: var(--ink); font-size: 14px; font-weight: 600; }
.cell { fill: var(--heat); } .idle { fill: var(--idle); }
";

/// What is around the drawings.
pub(crate) const PAGE: &str = r"
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
main.side { max-width: 1760px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0; } h2 { font-size: 17px; margin: 30px 0 8px; }
p { margin: 6px 0; } .soft { color: var(--soft); }
.badges { display: flex; flex-wrap: wrap; gap: 8px; margin: 14px 0 4px; }
.badge { padding: 3px 11px; border-radius: 999px; font-weight: 600; font-size: 14px; }
.good { color: var(--good); background: var(--good-paper); } .bad { color: var(--bad); background: var(--bad-paper); }
.warn { color: var(--warn); background: var(--warn-paper); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 10px; margin: 16px 0 6px; }
.card, figure, .box { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 10px 13px; } .card b { display: block; font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: 13px; }
figure { margin: 12px 0; padding: 12px 14px 6px; }
figcaption { display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: baseline; font-weight: 600; }
figcaption small { font-weight: 400; color: var(--soft); }
.key { font-weight: 400; font-size: 13px; color: var(--soft); } .key i { display: inline-block; width: 16px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: middle; }
svg { display: block; width: 100%; height: auto; }
.k0 { background: var(--s0); } .k1 { background: var(--s1); } .k2 { background: var(--s2); } .k3 { background: var(--s3); }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
.box { padding: 6px 14px; overflow-x: auto; margin: 10px 0; } th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child > * { border-bottom: 0; } th { color: var(--soft); font-weight: 500; } td.n, th.n { text-align: right; }
.runs { display: grid; grid-template-columns: repeat(auto-fit, minmax(520px, 1fr)); gap: 26px; }
details { margin: 14px 0; } summary { cursor: pointer; color: var(--soft); } pre { overflow-x: auto; font-size: 13px; line-height: 1.45; margin: 8px 0; }
@media print { main { max-width: none; } figure, .card { break-inside: avoid; } }
";
