package probe

import (
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// poolObject finds where a reply keeps its connection pool.
func poolObject(doc node) node {
	for _, n := range [...]node{
		doc.get("connection_pool"), doc.get("pool_stats"), doc.get("database", "pool"), doc.get("pool"),
	} {
		if n.kind == object {
			return n
		}
	}
	return node{}
}

// The names that the variants use for the same thing.
func poolSize(p node) node { return p.first("size", "total_connections", "total") }
func poolFree(p node) node { return p.first("free", "idle_connections", "idle") }
func poolBusy(p node) node { return p.first("active_connections", "active") }
func poolMax(p node) node  { return p.first("max_size", "max_connections", "max") }

// poolKnown reports whether an object has any field of a connection pool.
func poolKnown(p node) bool {
	for _, n := range [...]node{poolSize(p), poolFree(p), poolBusy(p), poolMax(p), p.first("pool_utilization", "utilization_percent")} {
		if n.kind != absent {
			return true
		}
	}
	return false
}

// readPool adds the pool.* facts.
func readPool(p node, f detect.Facts) {
	if !poolKnown(p) {
		return
	}
	put(f, detect.PoolSize, poolSize(p), poolSize(p).count())
	put(f, detect.PoolFree, poolFree(p), poolFree(p).count())
	put(f, detect.PoolMax, poolMax(p), poolMax(p).count())
	minimum, waiting := p.first("min_size", "min"), p.first("waiting_requests", "waiting")
	put(f, detect.PoolMin, minimum, minimum.count())
	put(f, detect.PoolWaiting, waiting, waiting.count())

	fraction, percent := p.get("pool_utilization"), p.get("utilization_percent")
	if fraction.kind == absent {
		fraction = p.get("utilization")
	}
	if fraction.kind != absent {
		f[detect.PoolReported] = fraction.share(false)
	} else {
		put(f, detect.PoolReported, percent, percent.share(true))
	}
	if poolMax(p).kind != absent {
		f[detect.PoolUtilization] = utilization(p)
	}
}

// utilization is the share of the maximum that is in use. The servers' own figure is a share of
// the connections open now, and reads 95 % while a third of the pool may still be opened.
func utilization(p node) detect.Reading {
	limit := poolMax(p).count()
	switch {
	case limit.Err != "":
		return detect.NotMeasured("max: " + limit.Err)
	case limit.Value < 1:
		return detect.NotMeasured("the maximum is 0")
	}
	used := detect.Reading{}
	size, free := poolSize(p).count(), poolFree(p).count()
	switch {
	case size.Err == "" && free.Err == "":
		if free.Value > size.Value {
			return detect.NotMeasured(fmt.Sprintf("%v free of %v open cannot be", free.Value, size.Value))
		}
		used.Value = size.Value - free.Value
	case poolBusy(p).kind != absent:
		if used = poolBusy(p).count(); used.Err != "" {
			return detect.NotMeasured("active: " + used.Err)
		}
	case poolSize(p).kind == absent || size.Err != "":
		return detect.NotMeasured("size: " + size.Err)
	default:
		return detect.NotMeasured("free: " + free.Err)
	}
	if used.Value > limit.Value {
		return detect.NotMeasured(fmt.Sprintf("%v in use of at most %v cannot be", used.Value, limit.Value))
	}
	return detect.Num(used.Value / limit.Value)
}
