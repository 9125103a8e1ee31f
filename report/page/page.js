'use strict';
// The page shows without this script. It adds values on hover and focus, moving
// by keys, the choice of measure, downloads and the choice of colours.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const tip = document.getElementById('tip');
  const status = document.getElementById('status');

  // number prints as the text of the page does: three digits that matter.
  const number = (v) => {
    if (v === null) return 'n/a';
    if (v !== 0 && Math.abs(v) < 0.001) return v.toExponential(1).replace(/e([+-])(\d)$/, 'e$10$2');
    return v.toFixed(3);
  };
  const signed = (v) => (v === null || v < 0 ? '' : '+') + number(v);
  const minus = (a, b) => (a === null || b === null ? null : a - b);
  const isolated = (s) => '\u2068' + s + '\u2069';

  const layerOf = (cell) => 'layer' in cell.dataset ? Number(cell.dataset.layer) : cell.cellIndex - 1;

  // describe says what a cell is, its value, and what more there is to say.
  const describe = (cell) => {
    const grid = cell.closest('[role=grid]');
    if (!grid.dataset.part) {
      const name = cell.parentElement.getAttribute('aria-label');
      return {where: name, value: cell.dataset.says.slice(name.length + 2), more: ''};
    }
    const row = cell.parentElement.sectionRowIndex, layer = layerOf(cell);
    const head = isolated(cell.parentElement.cells[0].textContent);
    const where = (grid.dataset.part === 'trace' ? `token ${row} ` : '') + `${head}, layer ${layer}`;
    return grid.dataset.part === 'trace' ? inTrace(grid, row, layer, where) : inAverage(grid, row, layer, where);
  };
  const inTrace = (grid, row, layer, where) => {
    const m = data.trace.measures[grid.dataset.measure];
    const v = m.grids[grid.dataset.grid].values[row][layer];
    const effect = minus(v, m.corrupted), total = minus(m.clean, m.corrupted);
    let more = `causal effect ${signed(effect)}`;
    if (effect !== null && total > 0) more += `, ${Math.round(100 * effect / total)} % of the total`;
    return {where, value: `${m.word} ${number(v)}`, more};
  };
  const inAverage = (grid, row, layer, where) => {
    const g = data.average.grids[grid.dataset.grid];
    const effect = g.effect[row][layer], half = effect === null ? null : g.half_width?.[row][layer];
    const n = data.average.counts[row];
    const value = `mean effect ${signed(effect)}` + (half > 0 ? ` ± ${number(half)}` : '');
    return {where, value, more: `${n} ${n === 1 ? 'fact' : 'facts'}`};
  };

  // A tooltip stands by the cell that the pointer is on, or that has the focus.
  const show = (cell) => {
    const d = describe(cell), head = document.createElement('b');
    head.textContent = d.where;
    tip.replaceChildren(head, d.value + (d.more ? '\n' + d.more : ''));
    tip.hidden = false;
    const at = cell.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const x = at.left + at.width / 2 - size.width / 2;
    const below = at.bottom + 8, above = at.top - size.height - 8;
    tip.style.left = Math.max(8, Math.min(x, innerWidth - size.width - 8)) + 'px';
    tip.style.top = (below + size.height > innerHeight && above > 0 ? above : below) + 'px';
  };
  const hide = () => { tip.hidden = true; };
  const cellOf = (event) => event.target.closest?.('[role=gridcell]');
  document.addEventListener('pointerover', (e) => { const c = cellOf(e); c ? show(c) : hide(); });
  document.addEventListener('focusin', (e) => {
    const c = cellOf(e);
    if (!c) return hide();
    c.scrollIntoView({block: 'nearest', inline: 'nearest'});
    show(c);
    const d = describe(c);
    status.textContent = d.more || d.value; // the label says the rest
  });
  document.addEventListener('focusout', hide);
  document.addEventListener('scroll', () => {
    if (tip.hidden) return;
    const c = cellOf({target: document.activeElement});
    c ? show(c) : hide();
  }, {capture: true, passive: true});
  document.addEventListener('keydown', (e) => { if (e.key === 'Escape') hide(); });

  // One cell of a grid takes part in the order of Tab; arrows move from it.
  const rowsOf = (grid) => [...grid.querySelectorAll('[role=row]')]
    .map((row) => [...row.querySelectorAll('[role=gridcell]')]).filter((row) => row.length);
  const nearest = (row, layer) => row.reduce((a, b) => Math.abs(layerOf(b) - layer) < Math.abs(layerOf(a) - layer) ? b : a);
  const target = (rows, r, cell, e) => {
    const row = rows[r], i = row.indexOf(cell), layer = layerOf(cell);
    const to = (k) => row[Math.max(0, Math.min(row.length - 1, k))];
    const down = (k) => nearest(rows[Math.max(0, Math.min(rows.length - 1, k))], layer);
    switch (e.key) {
      case 'ArrowRight': return to(i + 1);
      case 'ArrowLeft': return to(i - 1);
      case 'ArrowDown': return down(r + 1);
      case 'ArrowUp': return down(r - 1);
      case 'PageDown': return down(r + 5);
      case 'PageUp': return down(r - 5);
      case 'Home': return e.ctrlKey ? rows[0][0] : row[0];
      case 'End': return e.ctrlKey ? rows.at(-1).at(-1) : row.at(-1);
    }
  };
  const rove = (grid) => {
    const rows = rowsOf(grid);
    if (!rows.length) return;
    let here = grid.querySelector('[role=gridcell].best') ?? rows[0][0];
    for (const cell of rows.flat()) {
      const title = cell.querySelector('title');
      if (title) {
        cell.dataset.says = title.textContent;
        title.remove(); // the tooltip takes its place
      }
      cell.tabIndex = cell === here ? 0 : -1;
      const d = describe(cell);
      cell.setAttribute('aria-label', `${d.where}, ${d.value}`);
    }
    grid.addEventListener('focusin', (e) => {
      const cell = cellOf(e);
      if (!cell || cell === here) return;
      here.tabIndex = -1;
      cell.tabIndex = 0;
      here = cell;
    });
    grid.addEventListener('keydown', (e) => {
      const cell = cellOf(e);
      if (!cell || e.altKey || e.metaKey) return;
      const next = target(rows, rows.findIndex((row) => row.includes(cell)), cell, e);
      if (!next) return;
      e.preventDefault();
      next.focus();
    });
  };
  document.querySelectorAll('[role=grid]').forEach(rove);

  // The measure.
  const choice = document.getElementById('measures');
  const views = [...document.querySelectorAll('.view')];
  const choose = (i) => {
    views.forEach((v) => { v.hidden = v.dataset.measure !== i; });
    hide();
  };
  if (choice) {
    choice.hidden = false;
    choose(choice.querySelector(':checked').value);
    choice.addEventListener('change', (e) => {
      choose(e.target.value);
      status.textContent = 'Showing ' + e.target.parentElement.textContent.trim();
    });
  }

  // Light and dark.
  const theme = document.getElementById('theme');
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const pressed = (on) => theme.setAttribute('aria-pressed', String(on));
  pressed(dark.matches);
  dark.addEventListener('change', () => { if (!document.documentElement.dataset.theme) pressed(dark.matches); });
  theme.addEventListener('click', () => {
    const on = theme.getAttribute('aria-pressed') !== 'true';
    document.documentElement.dataset.theme = on ? 'dark' : 'light';
    pressed(on);
    status.textContent = on ? 'Dark colours' : 'Light colours';
  });

  // Downloads: the data as they are, and as one long table.
  const columns = ['part', 'measure', 'panel', 'row', 'label', 'subject', 'layer', 'value', 'effect', 'half_width', 'facts'];
  const table = () => {
    const lines = [columns];
    const put = (part, measure, panel, fields) => {
      lines.push([part, measure, panel, ...columns.slice(3).map((c) => fields[c] ?? '')]);
    };
    if (data.trace) traceLines(data.trace, put);
    if (data.average) averageLines(data.average, put);
    data.sections.forEach((s) => sectionLines(s, put));
    return lines;
  };
  const traceLines = (t, put) => t.measures.forEach((m) => {
    m.grids.forEach((g) => g.values.forEach((row, i) => row.forEach((value, layer) => put('trace', m.name, g.title, {
      row: i, label: t.tokens[i], subject: i >= t.subject[0] && i < t.subject[1] ? 1 : 0, layer, value, effect: minus(value, m.corrupted),
    }))));
    for (const [name, values] of Object.entries(m.severed ?? {})) {
      values.forEach((value, layer) => put('severed', m.name, name, {layer, value, effect: minus(value, m.corrupted)}));
    }
  });
  const averageLines = (a, put) => {
    a.grids.forEach((g) => g.effect.forEach((row, i) => row.forEach((effect, layer) => put('average', 'effect', g.title, {
      row: i, label: a.rows[i], subject: i < 3 ? 1 : 0, layer, effect, half_width: g.half_width?.[i][layer], facts: a.counts[i],
    }))));
    for (const [name, band] of Object.entries(a.severed ?? {})) {
      band.mean.forEach((effect, layer) => put('average severed', 'effect', name, {layer, effect, half_width: band.half_width?.[layer]}));
    }
  };
  const sectionLines = (s, put) => {
    s.series.forEach((l) => l.values.forEach((value, layer) => put(s.title, s.name, l.name, {layer, value, half_width: l.half_width?.[layer]})));
    s.table?.rows.forEach((row, i) => row.forEach((label, j) => put(s.title, 'table', s.table.columns[j], {row: i, label})));
  };
  // A field that a spreadsheet would take for a formula gets an apostrophe.
  const field = (v) => {
    if (typeof v === 'number') return String(v);
    if (/^[=+\-@\t\r]/.test(v)) v = "'" + v;
    return /[",\r\n]/.test(v) ? '"' + v.replaceAll('"', '""') + '"' : v;
  };
  const offer = (id, type, text) => {
    const link = document.getElementById(id);
    link.href = URL.createObjectURL(new Blob([text], {type}));
    link.addEventListener('click', () => { status.textContent = 'Saving ' + link.download; });
  };
  offer('json', 'application/json', document.getElementById('data').textContent);
  offer('csv', 'text/csv;charset=utf-8', table().map((line) => line.map(field).join(',') + '\r\n').join(''));
  document.getElementById('tools').hidden = false;
})();
