'use strict';
(() => {
  const all = (root, what) => Array.from(root.querySelectorAll(what));
  const make = (name, text, more) => Object.assign(document.createElement(name), { textContent: text }, more);
  const island = document.getElementById('data');
  const data = island ? JSON.parse(island.textContent) : {};

  // Tables: a click on a heading sorts the rows below each budget by that column.
  const value = cell => {
    if (cell.dataset.sort) return Number(cell.dataset.sort);
    const text = cell.textContent.trim();
    const number = parseFloat(text.replace(/[\u202f\u00a0]/g, '').replace('\u2212', '-').replace(/^[^\d-]+/, ''));
    return /^[\[\u2264\u2265\u2248\u2212-]? ?\d/.test(text) ? number : text === '\u2013' ? Infinity : text;
  };
  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
    if (typeof a === 'string') return a.localeCompare(b);
    return a === b ? 0 : a > b ? 1 : -1;
  };
  for (const table of all(document, 'table')) {
    const heads = all(table, 'thead th');
    heads.forEach((head, column) => {
      const button = make('button', head.textContent, { type: 'button', className: 'sort', title: head.title });
      head.removeAttribute('title');
      head.replaceChildren(button);
      button.addEventListener('click', () => {
        const order = head.getAttribute('aria-sort') === 'ascending' ? 'descending' : 'ascending';
        heads.forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', order);
        for (const body of table.tBodies) {
          const rows = Array.from(body.rows).filter(row => row.cells.length === heads.length);
          rows.sort((a, b) => compare(value(a.cells[column]), value(b.cells[column])));
          body.append(...(order === 'ascending' ? rows : rows.reverse()));
        }
      });
    });
  }

  // A choice of one of several names.
  const chooser = (label, names, chosen, act) => {
    const select = make('select', '');
    names.forEach((name, at) => select.append(make('option', name, { value: String(at) })));
    select.value = String(chosen);
    select.addEventListener('change', () => act(Number(select.value)));
    const around = make('label', label + ' ');
    around.append(select);
    return around;
  };

  // Figures of one budget: those of the others stand in for them.
  for (const section of all(document, 'section')) {
    const figures = all(section, 'figure[data-budget]');
    const budgets = Array.from(new Set(figures.map(figure => figure.dataset.budget)));
    budgets.sort((a, b) => Number(a) - Number(b));
    if (budgets.length > 1) {
      const folded = section.querySelector('details.budgets');
      const shown = figures.filter(figure => !folded || !folded.contains(figure));
      for (const figure of figures) {
        const same = shown.find(other => other.dataset.kind === figure.dataset.kind);
        if (same ? same !== figure : false) same.after(figure);
      }
      const show = at => figures.forEach(figure => { figure.hidden = figure.dataset.budget !== budgets[at]; });
      const bar = make('p', '', { className: 'bar' });
      bar.append(chooser('Budget of the figures that show one', budgets, budgets.length - 1, show));
      section.querySelector('.figures').before(bar);
      if (folded) folded.remove();
      show(budgets.length - 1);
    }
  }

  // Downloads, made here: the page asks for nothing.
  const save = (name, type, text) => {
    const link = make('a', '', { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  for (const figure of all(document, 'figure[data-name]')) {
    const name = figure.dataset.name;
    const bar = make('p', '', { className: 'bar' });
    const add = (kind, act) => {
      const button = make('button', kind, { type: 'button' });
      button.setAttribute('aria-label', kind + ' of figure ' + name);
      button.addEventListener('click', act);
      bar.append(button);
    };
    add('SVG', () => {
      const drawing = figure.querySelector('svg').cloneNode(true);
      const size = drawing.viewBox.baseVal;
      drawing.setAttribute('width', String(size.width / 2));
      drawing.setAttribute('height', String(size.height / 2));
      const style = document.createElementNS(drawing.namespaceURI, 'style');
      style.textContent = document.getElementById('figure-style').textContent;
      drawing.prepend(style);
      save(name + '.svg', 'image/svg+xml', new XMLSerializer().serializeToString(drawing));
    });
    const csv = data.csv ? data.csv[name] : undefined;
    if (csv) add('CSV', () => save(name + '.csv', 'text/csv', csv));
    figure.append(bar);
  }

  // One query at a time: its text, its price, and the rows that a method chose for it.
  const panel = document.getElementById('queries');
  const queries = data.queries ? data.queries : [];
  if (panel ? queries.length > 0 : false) {
    const state = { query: 0, choice: 0 };
    const out = make('div', '');
    out.setAttribute('aria-live', 'polite');
    const show = () => {
      const query = queries[state.query];
      out.replaceChildren();
      if (query.text) out.append(make('blockquote', query.text));
      const choice = query.choices[state.choice];
      if (typeof choice.price === 'number') out.append(make('p', 'Price in the bound for all subsets, above the mean: ' + choice.price.toPrecision(5)));
      out.append(make('p', choice.rows.length > 0 ? 'Its chosen rows, closest first:' : 'No chosen row has it as its closest query.'));
      const list = make('ol', '', { className: 'nearest' });
      for (const [row, cost] of choice.rows) {
        const item = make('li', '');
        item.append(make('div', 'row ' + row + ' \u00b7 cost ' + cost.toPrecision(6), { className: 'meta' }));
        const text = data.texts[row];
        if (text) item.append(make('div', text, { className: 'text' }));
        list.append(item);
      }
      out.append(list);
    };
    const bar = make('p', '', { className: 'bar' });
    const names = queries[0].choices.map(choice => choice.method + ', ' + choice.budget);
    bar.append(chooser('Query', queries.map(query => String(query.query)), 0, at => { state.query = at; show(); }));
    bar.append(' ', chooser('Choice of', names, 0, at => { state.choice = at; show(); }));
    panel.append(bar, out);
    panel.hidden = false;
    show();
  }
})();
