/** How a connection stands with the listener. Whoever speaks its protocol tells of logins. */
export interface ConnectionStanding {
  /** Somebody has logged in over it, or shares a login with it: it may stay. */
  welcome(): void;
  /** No login holds any more: it counts as a stranger again, with the time that a stranger has. */
  unwelcome(): void;
  /** Calls back when the time without a login is up, a moment before the close: the last chance to say goodbye. */
  beforeTimeout(farewell: () => void): void;
}
