// Clicks through the page of a comparison in Chromium, as a person would: on a telephone and on a desk, light and dark, with and
// without script, and asks axe-core whether everybody can use it. Arguments: the page, and the program of the browser.
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(process.cwd() + '/'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core'), 'utf8');
const [page_file, executablePath] = process.argv.slice(2);
const address = pathToFileURL(page_file).href;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

async function open(width, colorScheme, javaScriptEnabled) {
  // axe-core is put into the page from outside, past its policy, after the page's own script ran under it.
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, javaScriptEnabled, acceptDownloads: true });
  const page = await context.newPage();
  const wrong = [];
  page.on('console', line => wrong.push(line.text()));
  page.on('pageerror', error => wrong.push(String(error)));
  page.on('request', request => { if (request.url() !== address && !request.url().startsWith('blob:')) wrong.push(request.url()); });
  await page.goto(address);
  return { context, page, wrong };
}

for (const width of [400, 1400]) {
  for (const colorScheme of ['light', 'dark']) {
    const { context, page, wrong } = await open(width, colorScheme, true);
    const at = `${width}, ${colorScheme}`;
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${at}: wider than the screen`);

    // Sorting by distance, up and down.
    const table = page.locator('table', { hasText: 'Methods at each budget' });
    const button = table.locator('thead button', { hasText: /^distance$/ });
    const column = await button.evaluate(head => head.parentElement.cellIndex);
    const values = () => table.locator('tbody').first().evaluate((body, column) =>
      Array.from(body.rows).filter(row => row.cells.length > 1).map(row => Number(row.cells[column].dataset.sort)), column);
    for (const order of ['ascending', 'descending']) {
      await button.click();
      assert.equal(await button.evaluate(head => head.parentElement.getAttribute('aria-sort')), order);
      const found = await values();
      const sorted = [...found].sort((a, b) => order === 'ascending' ? a - b : b - a);
      assert(found.length > 1 && new Set(found).size > 1, at);
      assert.deepEqual(found, sorted, `${at}: ${order}`);
    }
    const exact = await table.locator('td[title]').first().getAttribute('title');
    assert(/\d\.\d{9,}/.test(exact), `${at}: ${exact}`);

    // One budget at a time.
    const budget = page.locator('label', { hasText: 'Budget of the figures' }).locator('select');
    for (const choice of await budget.locator('option').allTextContents()) {
      await budget.selectOption({ label: choice });
      const shown = await page.locator('figure[data-budget]:visible').evaluateAll(all => all.map(figure => figure.dataset.budget));
      assert(shown.length > 2 && shown.every(of => of === choice), `${at}: ${shown} at ${choice}`);
    }
    const words = await page.locator('figure[data-name="distance"] circle title').first().textContent();
    assert(/: 0\.\d{6,}/.test(words), `${at}: ${words}`);

    // Queries one by one.
    const panel = page.locator('#queries');
    assert(await panel.isVisible(), `${at}: no queries`);
    const before = await panel.locator('[aria-live]').textContent();
    await panel.locator('label', { hasText: 'Query' }).locator('select').selectOption({ index: 1 });
    assert.notEqual(await panel.locator('[aria-live]').textContent(), before, at);
    assert(/Price/.test(await panel.textContent()) && await panel.locator('blockquote').isVisible(), at);

    // Numbers and drawing of a figure.
    for (const [kind, start] of [['SVG', '<svg'], ['CSV', 'series,']]) {
      const waiting = page.waitForEvent('download');
      await page.locator('figure[data-name="distance"] button', { hasText: kind }).click();
      const download = await waiting;
      assert.equal(download.suggestedFilename(), `distance.${kind.toLowerCase()}`);
      assert(readFileSync(await download.path(), 'utf8').startsWith(start), `${at}: ${kind}`);
    }
    assert.deepEqual(wrong, [], at);

    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run(document));
    assert.deepEqual(violations.map(rule => [rule.id, rule.nodes.slice(0, 3).map(node => node.html)]), [], at);
    await context.close();
  }
}

const { context, page, wrong } = await open(1400, 'light', false);
assert(await page.locator('table').first().isVisible() && !await page.locator('#queries').isVisible());
assert(await page.locator('figure:visible').count() > 5 && await page.locator('details.budgets').count() > 0);
assert.deepEqual(wrong, []);
await context.close();
await browser.close();
