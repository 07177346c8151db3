/** The tables the pages are made of; each page looks at its own. */
export type Tables = Readonly<Record<string, unknown>>;

export declare function renderPages(tables: Tables): { path: string; text: string }[];
