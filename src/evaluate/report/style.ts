/** The report's style sheet: a laptop's width, light and dark as the system says, black on white on paper. */
export const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #5b6470; --line: #d5dae0; --panel: #f5f7f9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #15181c; --soft: #9aa4b0; --line: #363c44; --panel: #1d2126; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 68rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 0.3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 0.5rem; } h3 { font-size: 1rem; margin: 1.2rem 0 0.3rem; }
.sub, figcaption, .caption { color: var(--soft); font-size: 0.9rem; } figcaption { overflow-wrap: anywhere; } .caption { margin: 0 0 0.3rem; }
.headline { display: flex; flex-wrap: wrap; gap: 0.8rem; margin: 1rem 0; }
.headline div { background: var(--panel); border: 1px solid var(--line); border-radius: 0.4rem; padding: 0.5rem 0.9rem; }
.headline strong { display: block; font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; } tbody th { font-weight: 400; } th:first-child { text-align: left; max-width: 26rem; overflow: hidden; text-overflow: ellipsis; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; } .plots figure, figure.picture { margin: 0; }
figure svg { max-width: 100%; height: auto; } .picture { margin-bottom: 1.5rem; } .picture svg { width: 100%; max-height: 36rem; background: #000; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1.2rem; align-items: start; }
.legend { display: flex; flex-wrap: wrap; gap: 0.4rem 1.4rem; margin: 0.5rem 0 1rem; padding: 0; list-style: none; font-size: 0.9rem; } .legend svg { vertical-align: -0.3rem; margin-right: 0.4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; font-size: 0.9rem; } dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.8rem; background: var(--panel); border: 1px solid var(--line); border-radius: 0.3rem; padding: 0.7rem; }
.warning { border-left: 0.25rem solid #c77700; padding: 0.2rem 0.8rem; background: var(--panel); } details { margin: 0.5rem 0; } summary { cursor: pointer; }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --panel: #fff; }
  body { font-size: 10pt; max-width: none; margin: 0; padding: 0; } @page { margin: 15mm; }
  h2, h3, h2 + p, .caption, .legend { break-after: avoid; } figure, tr, dt, dd, .headline, .legend, .warning { break-inside: avoid; }
  .scroll { overflow: visible; } table { font-size: 8pt; } th, td { white-space: normal; padding: 0.1rem 0.35rem; }
  .plots { grid-template-columns: 1fr 1fr; } .pictures { grid-template-columns: repeat(3, 1fr); }
}
`;
