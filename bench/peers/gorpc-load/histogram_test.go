package main

import (
	"testing"
	"time"
)

func TestBucketsHoldTheirValues(t *testing.T) {
	for _, value := range []uint64{0, 1, 63, 64, 65, 127, 128, 1000, 4095, 4096, 123456, 30_000_000} {
		bucket := bucketOf(value)
		if upper := upperBound(bucket); upper < int64(value) || float64(upper) > float64(value)*1.016 {
			t.Errorf("%d is in a bucket up to %d", value, upper)
		}
		if bucket > 0 && upperBound(bucket-1) >= int64(value) {
			t.Errorf("%d belongs in a smaller bucket", value)
		}
	}
}

func TestQuantiles(t *testing.T) {
	var latency histogram
	for microseconds := 1; microseconds <= 1000; microseconds++ {
		latency.add(time.Duration(microseconds) * time.Microsecond)
	}
	for share, expected := range map[float64]int64{0.5: 500, 0.99: 990, 1: 1000} {
		if got := latency.quantile(share); got < expected || got > expected*102/100 {
			t.Errorf("quantile %v is %d", share, got)
		}
	}
	if empty := new(histogram).quantile(0.5); empty != 0 {
		t.Errorf("empty histogram says %d", empty)
	}
}
