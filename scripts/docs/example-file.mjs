/** A configuration file with every option at its default, old names left out. */
export function renderExampleFile({ optionTable }) {
  const root = {};
  for (const option of optionTable) {
    if (option.deprecatedAliasOf !== undefined) continue;
    const names = option.path.split('.');
    const last = names.pop();
    let level = root;
    for (const name of names) {
      level[name] ??= {};
      level = level[name];
    }
    level[last] = option.default;
  }
  return `${JSON.stringify(root, undefined, 2)}\n`;
}
