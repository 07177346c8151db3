import { describe, expect, it } from 'vitest';
import { DeliveryLedger } from '../../../src/hub/fanout/delivery-ledger.js';
import type { StartPosition } from '../../../src/hub/fanout/start-position.js';

const resumeAt = (sequence: number): StartPosition => ({
  mode: 'resume',
  reason: undefined,
  sequence,
  definitionsThrough: 0,
});
const snapshotAt = (sequence: number): StartPosition => ({
  mode: 'snapshot',
  reason: 'first-sync',
  sequence,
  definitionsThrough: sequence,
});

function resumed(sequence: number): DeliveryLedger {
  const ledger = new DeliveryLedger();
  ledger.startAt(resumeAt(sequence));
  return ledger;
}

describe('DeliveryLedger', () => {
  it('accepts no confirmation before the welcome', () => {
    expect(new DeliveryLedger().acknowledge(0)).toBe(false);
  });

  it('takes the cursor of a resuming worker for confirmed, and its snapshot only when it says so', () => {
    expect(resumed(7).confirmed).toBe(7);
    const ledger = new DeliveryLedger();
    ledger.startAt(snapshotAt(7));
    ledger.passOver(9);
    expect(ledger.confirmed).toBe(0);
    expect(ledger.acknowledge(7)).toBe(true);
    expect(ledger.confirmed).toBe(0);
    ledger.snapshotSent();
    ledger.acknowledge(7);
    expect(ledger.confirmed).toBe(9);
  });

  it('moves past foreign entries only while nothing is outstanding', () => {
    const ledger = resumed(7);
    ledger.passOver(9);
    expect(ledger.confirmed).toBe(9);
    ledger.sent(10);
    ledger.passOver(12);
    expect(ledger.confirmed).toBe(9);
    ledger.acknowledge(10);
    expect(ledger.confirmed).toBe(12);
    expect(ledger.standsAt).toBe(10);
  });

  it('keeps what is unconfirmed apart from what is not', () => {
    const ledger = resumed(0);
    for (const sequence of [3, 5, 9]) ledger.sent(sequence);
    expect(ledger.unconfirmedDeltas).toBe(3);
    ledger.acknowledge(5);
    expect(ledger.unconfirmedDeltas).toBe(1);
    expect(ledger.confirmed).toBe(5);
    ledger.acknowledge(3);
    expect(ledger.confirmed).toBe(5);
  });

  it('lets nobody confirm what was not announced', () => {
    const ledger = resumed(0);
    ledger.sent(3);
    ledger.passOver(8);
    expect(ledger.acknowledge(4)).toBe(false);
    expect(ledger.announce()).toBe(8);
    expect(ledger.acknowledge(8)).toBe(true);
  });

  it('goes back to what is confirmed after a refusal', () => {
    const ledger = resumed(4);
    ledger.passOver(6);
    ledger.sent(8);
    ledger.sent(9);
    const { turn } = ledger;
    ledger.refuse(8);
    expect(ledger.turn).not.toBe(turn);
    expect(ledger.position).toBe(6);
    // Of 6 the worker was not told: it stands at 4.
    expect(ledger.standsAt).toBe(4);
    expect(ledger.unconfirmedDeltas).toBe(0);
    expect(ledger.announce()).toBe(6);
  });

  it('does not repeat what was confirmed after the refusal', () => {
    const ledger = resumed(4);
    for (const sequence of [6, 8, 9]) ledger.sent(sequence);
    ledger.refuse(8);
    const { turn } = ledger;
    expect(ledger.acknowledge(6)).toBe(true);
    expect(ledger.position).toBe(6);
    expect(ledger.turn).not.toBe(turn);
  });

  it('owes an answer to a refusal', () => {
    const ledger = resumed(4);
    ledger.sent(6);
    expect(ledger.owesAnswer).toBe(false);
    ledger.refuse(6);
    expect(ledger.owesAnswer).toBe(true);
    ledger.sent(6);
    expect(ledger.owesAnswer).toBe(false);
  });

  it('believes a worker that refuses what it has confirmed', () => {
    const ledger = resumed(4);
    ledger.sent(6);
    ledger.acknowledge(6);
    ledger.refuse(5);
    expect(ledger.position).toBe(4);
    expect(ledger.confirmed).toBe(6);
  });

  it('repeats a refused snapshot, but not for what followed it', () => {
    const ledger = new DeliveryLedger();
    ledger.startAt(snapshotAt(5));
    ledger.snapshotSent();
    ledger.sent(7);
    ledger.refuse(7);
    expect(ledger.refusedSnapshot).toBeUndefined();
    expect(ledger.position).toBe(5);
    ledger.refuse(5);
    expect(ledger.refusedSnapshot).toEqual(snapshotAt(5));
    ledger.acknowledge(5);
    expect(ledger.refusedSnapshot).toEqual(snapshotAt(5));
    ledger.startAt(snapshotAt(5));
    expect(ledger.refusedSnapshot).toBeUndefined();
  });

  it('repeats a snapshot that is refused after it was confirmed', () => {
    const ledger = new DeliveryLedger();
    for (let times = 0; times < 2; times += 1) {
      ledger.startAt(snapshotAt(5));
      ledger.snapshotSent();
    }
    // For the first of the two; what is said of the second comes after it.
    ledger.acknowledge(5);
    ledger.refuse(5);
    expect(ledger.refusedSnapshot).toEqual(snapshotAt(5));
  });

  it('takes a late confirmation for deltas as none for the snapshot that overtook them', () => {
    const ledger = resumed(1);
    ledger.sent(3);
    ledger.startAt(snapshotAt(50));
    ledger.snapshotSent();
    ledger.passOver(60);
    ledger.acknowledge(3);
    expect(ledger.confirmed).toBe(3);
    ledger.acknowledge(50);
    expect(ledger.confirmed).toBe(60);
  });
});
