package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts latencies in buckets that are 1/64 of a power of two wide, so that its
// size is fixed and a quantile is exact to 1.6 %. Microseconds below 64 are exact.
type histogram struct {
	buckets [bucketCount]atomic.Int64
}

const (
	subBits     = 6
	bucketCount = (40 - subBits + 1) << subBits // up to 2^40 microseconds
)

func bucketOf(microseconds uint64) int {
	if microseconds < 1<<subBits {
		return int(microseconds)
	}
	shift := bits.Len64(microseconds) - 1 - subBits
	return min(shift<<subBits+int(microseconds>>shift), bucketCount-1)
}

// upperBound is the largest value of a bucket.
func upperBound(bucket int) int64 {
	if bucket < 1<<subBits {
		return int64(bucket)
	}
	shift := bucket>>subBits - 1
	return (int64(bucket-shift<<subBits)+1)<<shift - 1
}

func (h *histogram) add(latency time.Duration) {
	h.buckets[bucketOf(uint64(latency.Microseconds()))].Add(1)
}

func (h *histogram) count() (total int64) {
	for index := range h.buckets {
		total += h.buckets[index].Load()
	}
	return total
}

// quantile returns microseconds, or 0 when nothing was counted.
func (h *histogram) quantile(share float64) int64 {
	total := h.count()
	rank := max(int64(share*float64(total)+0.5), 1)
	var seen int64
	for index := range h.buckets {
		if seen += h.buckets[index].Load(); seen >= rank && total > 0 {
			return upperBound(index)
		}
	}
	return 0
}
