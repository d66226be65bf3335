// What is wrong with a page as it is shown now: a list of texts, empty if nothing is.
() => {
  const faults = [], width = document.documentElement.clientWidth;
  const name = (e) => `<${e.tagName.toLowerCase()} ${e.getAttribute("class") || ""}> ${(e.textContent || "").trim().slice(0, 40)}`;
  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility === "visible";
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const channels = (text) => {
    const numbers = text.match(/[\d.]+/g).map(Number);
    return numbers.length === 3 ? [...numbers, 1] : numbers;
  };
  const over = (front, back) => [0, 1, 2].map((i) => front[3] * front[i] + (1 - front[3]) * back[i]);
  const background = (e) => {
    const layers = [];
    for (; e; e = e.parentElement) layers.push(channels(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((back, front) => over(front, back), [255, 255, 255]);
  };
  const luminance = (colour) => {
    const linear = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const inside = (inner, outer) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;

  if (document.documentElement.scrollWidth > width) faults.push(`page is ${document.documentElement.scrollWidth} wide`);
  for (const e of all("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim())) continue;
    const style = getComputedStyle(e), svg = e.closest("svg"), back = background(e);
    const found = contrast(over(channels(svg ? style.fill : style.color), back), back);
    if (found < 4.5) faults.push(`contrast ${found.toFixed(2)}: ${name(e)}`);
    const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    if (parseFloat(style.fontSize) * scale < 9.5) faults.push(`text too small: ${name(e)}`);
    if (svg && !inside(e.getBoundingClientRect(), svg.getBoundingClientRect())) faults.push(`cut off: ${name(e)}`);
  }
  for (const e of all("svg")) {
    const box = e.getBoundingClientRect();
    if (box.width < 100 || box.height < 60) faults.push(`chart of ${box.width}x${box.height}: ${name(e)}`);
  }
  for (const e of all("img")) if (!e.complete || !e.naturalWidth) faults.push(`no picture: ${e.alt}`);
  for (const e of all("svg, img, .scroll, pre, figure, h1, p, li, summary")) {
    const box = e.getBoundingClientRect();
    if (box.left < 0 || box.right > width) faults.push(`from ${box.left} to ${box.right}: ${name(e)}`);
  }
  for (const e of all("table")) if (!e.closest(".scroll")) faults.push(`table that cannot scroll: ${name(e)}`);
  for (const e of all("summary, a, button")) {
    if (e.getBoundingClientRect().height < 44) faults.push(`hard to hit with a finger: ${name(e)}`);
  }
  for (const e of document.querySelectorAll("details")) if (!e.open) faults.push(`closed: ${name(e)}`);
  return faults;
}
