import { describe, expect, it } from 'vitest';
import { networkSourceOf } from '../../../src/domain/network-source.js';

describe('the source of an attempt', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7', '203.0.113.0/24'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.0/24'],
    ['2001:db8:a:b:c:d:e:f', '2001:db8:a:b::/64', '2001:db8:a::/48'],
    ['2001:0DB8:000a::1', '2001:db8:a:0::/64', '2001:db8:a::/48'],
    ['2001:db8::', '2001:db8:0:0::/64', '2001:db8:0::/48'],
    ['::1', '0:0:0:0::/64', '0:0:0::/48'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64', 'fe80:0:0::/48'],
    ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64', '64:ff9b:0::/48'],
    ['unknown', 'unknown', 'unknown'],
    ['1::2::3', '1::2::3', '1::2::3'],
  ])('of %s is the host %s and the network %s', (address, host, network) => {
    expect(networkSourceOf(address)).toEqual({ host, network });
  });
});
