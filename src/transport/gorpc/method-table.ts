import type { GorpcMethod } from './gorpc-call.js';
import { analyticsMethods } from './methods/analytics-methods.js';
import { definitionMethods } from './methods/definition-methods.js';
import { keyMethods } from './methods/key-methods.js';
import { keySpaceMethods } from './methods/key-space-methods.js';
import { loginMethods } from './methods/login-methods.js';
import type { MethodContext } from './methods/method-context.js';

/**
 * Every method that a worker may call, by its name on the wire. The service before the dot is always the
 * nameless one.
 */
export function methodTable(context: MethodContext): ReadonlyMap<string, GorpcMethod> {
  const methods = [
    ...loginMethods(context),
    ...keyMethods(context),
    ...definitionMethods(context),
    ...keySpaceMethods(context),
    ...analyticsMethods(context),
  ];
  return new Map(methods.map((method) => [`.${method.name}`, method]));
}
