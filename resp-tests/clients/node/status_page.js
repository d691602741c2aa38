// Opens a node's status page in headless Chromium, as people see it: light, dark, on a phone. Says what it found as JSON.
// usage: NODE_PATH=… node status_page.js URL DIRECTORY [USER PASSWORD]      (pictures go into the directory)
const puppeteer = require("puppeteer-core");
const { readFileSync } = require("fs");

const [url, directory, username, password] = process.argv.slice(2);
const LOOKS = [
  { name: "light", scheme: "light", width: 1440, height: 1000 },
  { name: "dark", scheme: "dark", width: 1440, height: 1000 },
  { name: "phone", scheme: "light", width: 390, height: 844, isMobile: true },
  { name: "phone-dark", scheme: "dark", width: 390, height: 844, isMobile: true },
];
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

async function look(browser, { name, scheme, width, height, isMobile }) {
  const page = await browser.newPage();
  const complaints = [], asked = [], dialogs = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });
  page.on("request", (request) => asked.push(request.url()));
  if (username) await page.authenticate({ username, password });
  await page.setViewport({ width, height, isMobile: Boolean(isMobile), deviceScaleFactor: 1 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForSelector("#nodes tbody tr", { timeout: 30000 });
  await page.waitForSelector("#charts figure", { timeout: 60000 });
  const commands = () => page.$eval("#nodes tbody", (body) => body.innerText);
  const first = await commands();
  await page.waitForFunction((before) => document.querySelector("#nodes tbody").innerText !== before, { timeout: 20000 }, first);
  await page.screenshot({ path: `${directory}/${name}.png`, fullPage: true });
  const seen = await page.evaluate(() => ({
    text: document.body.innerText,
    nodes: document.querySelectorAll("#nodes tbody tr").length,
    charts: document.querySelectorAll("#charts figure").length,
    lines: document.querySelectorAll("#charts path").length,
    scripts: [...document.scripts].map((script) => script.getAttribute("src")),
    images: document.images.length,
    keys: [...document.querySelectorAll("#hot tbody th, #largest tbody th")].map((cell) => cell.textContent),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    ground: getComputedStyle(document.body).backgroundColor,
  }));
  // The policy of the page lets no script in but its own: the linter comes by the debugger's door.
  await page.setBypassCSP(true);
  await page.evaluate(axe);
  const judged = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const violations = judged.violations.map((one) => ({ id: one.id, help: one.help, at: one.nodes.slice(0, 3).map((node) => node.target.join(" ") + ": " + node.failureSummary) }));
  await page.close();
  const origin = new URL(url).origin;
  return { name, ...seen, violations, rules: judged.passes.length, complaints, dialogs, strangers: asked.filter((one) => !one.startsWith(origin)) };
}

(async () => {
  const browser = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  try {
    const looks = [];
    for (const one of LOOKS) looks.push(await look(browser, one));
    console.log(JSON.stringify(looks));
  } finally {
    await browser.close();
  }
})().catch((error) => { console.error(error); process.exit(1); });
