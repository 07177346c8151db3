import { readFileSync } from 'node:fs';

/**
 * How many files and sockets this process may have open: the soft limit of RLIMIT_NOFILE. Undefined: it is unlimited,
 * or this system does not tell.
 */
export function readDescriptorLimit(path = '/proc/self/limits'): number | undefined {
  try {
    return parseLimits(readFileSync(path, 'utf8'));
  } catch {
    return reportedLimit();
  }
}

/** `Max open files            1024                 1048576              files` */
function parseLimits(text: string): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1];
  return soft === undefined ? undefined : Number(soft);
}

/** Where there is no /proc. Slower, as a whole report is made. */
function reportedLimit(): number | undefined {
  const report = process.report?.getReport() as
    | { readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } } }
    | undefined;
  const soft = Number(report?.userLimits?.open_files?.soft);
  return Number.isSafeInteger(soft) && soft > 0 ? soft : undefined;
}
