package main

import (
	"fmt"
	"math"
	"runtime"
	"time"
)

// object is one JSON object.
type object = map[string]any

// shape puts a report into one of the payloads that a reader of these servers may meet. A is what
// the real code answers; B, C, E and F exist in its contracts and documents only; D is its second
// resource; G is what it answers when the check itself failed.
func shape(variant string, r report) object {
	if r.failed != "" {
		return errorShape(r.failed)
	}
	switch variant {
	case "B":
		o := shapeA(r)
		o["uptime_seconds"] = seconds(r.uptime)
		o["connection_pool"].(object)["utilization_percent"] = round(r.pool.utilization(), 2)
		return o
	case "C":
		return shapeC(r)
	case "D":
		return shapeD(r)
	case "E":
		return object{
			"status": r.status, "database_status": r.database,
			"connection_pool": object{"pool_utilization": fraction(r.pool)},
		}
	case "F":
		return object{
			"status": r.status, "timestamp": stamp(r.at),
			"pool_stats": object{"size": r.pool.size, "free": r.pool.free, "max": r.pool.max},
			"checks":     object{"database": r.database == connected, "pool": r.pool.free > 0},
		}
	case "G":
		return errorShape("ValidationError")
	default:
		return shapeA(r)
	}
}

func shapeA(r report) object {
	o := object{
		"status": r.status, "timestamp": stamp(r.at), "database_status": r.database,
		"connection_pool": object{
			"size": r.pool.size, "min_size": r.pool.min, "max_size": r.pool.max, "free": r.pool.free,
		},
		// A pydantic Decimal: a string on the wire, whatever the documents say.
		"uptime_seconds": fmt.Sprintf("%.2f", r.uptime.Seconds()),
		"details":        nil,
	}
	if r.details != nil {
		o["details"] = r.details
	}
	return o
}

func shapeC(r report) object {
	check := func(ok bool) string {
		if ok {
			return "pass"
		}
		return "fail"
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	const limitMB = 2048 // the limit that health-monitoring.md assumes
	usedMB := float64(mem.Sys) / (1 << 20)
	return object{
		"status": r.status, "timestamp": stamp(r.at), "database_status": r.database,
		"uptime_seconds": seconds(r.uptime),
		"connection_pool": object{
			"total_connections": r.pool.size, "active_connections": r.pool.size - r.pool.free,
			"idle_connections": r.pool.free, "waiting_requests": 0, "pool_utilization": fraction(r.pool),
		},
		"checks": object{
			"database": object{"status": check(r.database == connected), "latency_ms": milliseconds(r.latency)},
			"memory":   object{"status": "pass", "usage_mb": round(usedMB, 1), "limit_mb": limitMB, "percentage": round(usedMB/limitMB*100, 1)},
			"disk":     object{"status": "pass", "free_gb": 50.0, "percentage_used": 50.0},
		},
		"metadata": object{"version": "0.0.0", "environment": "test", "region": "local"},
	}
}

// shapeD is the resource health://connection-pool: in memory only, it asks nothing, so it goes on
// saying "connected" while the database is gone, and it answers while health://status hangs.
func shapeD(r report) object {
	return object{
		"status": poolStatus(r.pool), "timestamp": stamp(r.at), "uptime_seconds": seconds(r.uptime),
		"database": object{
			"status": connected,
			"pool": object{
				"total": r.pool.size, "idle": r.pool.free, "active": r.pool.size - r.pool.free,
				"waiting": 0, // hard-coded in the real server
			},
			"latency_ms": nil, "last_error": nil, "leak_count": 0,
		},
	}
}

// poolStatus is the second resource's own, stricter rule.
func poolStatus(p poolStats) string {
	switch idle := float64(p.free) / float64(max(p.size, 1)) * 100; {
	case p.size == 0, idle < 50:
		return "unhealthy"
	case idle < 80:
		return degraded
	}
	return "healthy"
}

func errorShape(exception string) object {
	return object{
		"status": "unhealthy", "error": "Health check failed: " + exception,
		"message": "The health check raised an exception",
	}
}

func stamp(t time.Time) string             { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
func seconds(d time.Duration) float64      { return round(d.Seconds(), 2) }
func milliseconds(d time.Duration) float64 { return round(d.Seconds()*1000, 2) }
func fraction(p poolStats) float64         { return round(p.utilization()/100, 4) }
func round(x float64, digits int) float64  { f := math.Pow10(digits); return math.Round(x*f) / f }
