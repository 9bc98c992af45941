package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestAFullPoolEndsSessionsOfThatApplicationAndNeverTouchesThePostgresUnit(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = busy("p1", 30), well("w1"), full("c1")
	s.run(30 * time.Second)
	s.phase("postgres", Watching)
	require.Equal(t, "pg.terminate-idle postgres", s.acted[0])
	for _, a := range s.acted {
		require.NotContains(t, a, "postgresql@15-main.service")
	}
	require.Len(t, s.s.Incidents, 1)
	require.Equal(t, detect.ClassPool, s.incident("codebase").Class)
	require.Contains(t, s.incident("codebase").Diagnosis.Because, "30 of 30 connections in use")
}

func TestAFullPoolClimbsTheLadderMildestFirstUntilItIsCured(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = busy("p1", 30), well("w1"), full("c1")
	s.do = func(a strategy.Action) outcome {
		return outcome{result: ResultDone, took: time.Second, then: func() {
			if a.Verb == strategy.Restart {
				s.host["codebase"], s.host["postgres"] = but(well("c2"), detect.PoolMax, 45), busy("p1", 5)
			}
		}}
	}
	s.run(5 * time.Minute)
	s.phase("codebase", Watching).tells("change t0 codebase: closed")
	s.actions("pg.terminate-idle postgres", "pg.terminate-long postgres", "set-env codebase-mcp.service", "restart codebase-mcp.service")
}

func TestAFullPoolThatOneWitnessReportsIsNotCuredByForce(t *testing.T) {
	s := quiet(t)
	// PostgreSQL counts few sessions: the reply alone says that the pool is full.
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = busy("p1", 5), well("w1"), full("c1")
	s.run(10 * time.Minute)
	s.actions("pg.terminate-idle postgres") // disrupts nothing
	s.heldBy("codebase", HoldOneWitness).tells("trigger t0 codebase: held-too-long")
}

func TestASaturatedDatabaseIsNeverRestarted(t *testing.T) {
	s := quiet(t)
	hungOn := noReply("c1")
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = saturated("p1"), well("w1"), hungOn
	s.run(time.Hour)
	for _, a := range s.acted {
		require.Equal(t, "pg.terminate-idle postgres", a)
	}
	require.Equal(t, "trigger t0 postgres: held-too-long", s.told[0], "ending long transactions needs a second witness")
	s.phase("codebase", Held)
	require.Equal(t, HoldDependency, s.s.Targets["codebase"].Reason)
	s.host["postgres"], s.host["codebase"] = database("p1"), well("c1")
	s.run(5*time.Minute).phase("postgres", Watching).phase("codebase", Watching)
	require.Contains(t, s.told, "resolve t0 postgres: closed")
}

func TestWhatSpeaksOfTheProbeIsPagedOnceAfterConfirmationAndNeverActedOn(t *testing.T) {
	none := but(noReply("c1"), detect.SocketConnect, "ok")
	cases := map[string]struct {
		see  detect.Facts
		page string // "" = none within half an hour
		by   time.Duration
	}{
		"the path is wrong (404)":                 {but(none, detect.HTTPOutcome, detect.OutcomeNotFound, detect.HTTPStatus, 404), "unknown-too-long", 30 * time.Second},
		"a login page comes instead":              {but(none, detect.HTTPOutcome, detect.OutcomeHTML, detect.HTTPStatus, 200), "unknown-too-long", 30 * time.Second},
		"the probe has no token":                  {but(none, detect.HTTPOutcome, detect.OutcomeDenied, detect.HTTPStatus, 401), "unknown-too-long", 30 * time.Second},
		"TLS fails":                               {but(none, detect.HTTPOutcome, detect.OutcomeTLS), "unknown-too-long", 30 * time.Second},
		"the name cannot be resolved":             {but(none, detect.HTTPOutcome, detect.OutcomeDNS), "unknown-too-long", 30 * time.Second},
		"the server limits our rate":              {but(none, detect.HTTPOutcome, detect.OutcomeLimited, detect.HTTPStatus, 429), "unknown-too-long", 11 * time.Minute},
		"the reply is no payload":                 {but(none, detect.HTTPOutcome, detect.OutcomeGarbage, detect.HTTPStatus, 200), "unknown-too-long", 11 * time.Minute},
		"there is no route":                       {but(none, detect.HTTPOutcome, detect.OutcomeConnect, detect.SocketConnect, "timeout"), "unknown-too-long", 11 * time.Minute},
		"its own health check can never work":     {but(well("c1"), detect.HealthStatus, "unhealthy", detect.HealthDatabase, gone, detect.HealthError, "1 ValidationError for DATABASE_URL", detect.PoolMax, gone), "unknown-too-long", 30 * time.Second},
		"the health check was never made":         {but(none, detect.HTTPOutcome, detect.NotMeasured("the probe did not run")), "unknown-too-long", 11 * time.Minute},
		"it calls itself degraded":                {but(well("c1"), detect.HealthStatus, "degraded"), "", 30 * time.Minute},
		"systemd cannot be asked and it is fine":  {but(well("c1"), detect.WorkloadState, detect.NotMeasured("no bus"), detect.WorkloadRun, gone), "", 30 * time.Minute},
		"nothing could be measured at all":        {detect.Facts{detect.HTTPOutcome: detect.NotMeasured("x"), detect.WorkloadState: detect.NotMeasured("x")}, "unknown-too-long", 11 * time.Minute},
		"it calls itself unhealthy, and works":    {but(well("c1"), detect.HealthStatus, "unhealthy", detect.SyntheticOK, true), "held-too-long", 6 * time.Minute},
		"it has lost a database that answers us":  {but(well("c1"), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.PoolSize, 0, detect.PoolFree, 0), "unknown-too-long", 11 * time.Minute},
		"the unit does not exist on this host":    {but(none, detect.WorkloadMissing, "the unit mcp.service does not exist on this host", detect.WorkloadState, detect.StateStopped, detect.HTTPOutcome, detect.OutcomeRefused), "unknown-too-long", 30 * time.Second},
		"its port is held by a stranger":          {but(crashed("c1"), detect.SocketListening, true, detect.SocketOwnerOurs, false), "page-first", 30 * time.Second},
		"a gateway answers 502 in its place":      {but(none, detect.HTTPOutcome, detect.OutcomeGateway, detect.HTTPStatus, 502), "page-first", 45 * time.Second},
		"it says that it loads its model":         {but(none, detect.HTTPOutcome, detect.OutcomeStarting, detect.SyntheticOK, false), "unknown-too-long", 11 * time.Minute},
		"a stranger hangs on its port":            {but(none, detect.SocketListening, true, detect.SocketOwnerOurs, false, detect.SocketOwner, "python3"), "page-first", 30 * time.Second},
		"the disk is full":                        {but(well("c1"), detect.DiskShare+"/var", 0.99), "page-first", 30 * time.Second},
		"the platform says it lacks a permission": {but(crashed("c1"), detect.WorkloadPermission, "polkit refuses org.freedesktop.systemd1.manage-units"), "page-first", 30 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := quiet(t)
			s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), c.see
			s.run(c.by)
			if c.page == "" {
				s.noAction().tells()
				return
			}
			s.noAction().tells("trigger t0 codebase: " + c.page)
			s.run(8 * time.Minute).noAction().tells("trigger t0 codebase: " + c.page)
			s.host["codebase"] = well("c1")
			s.run(5*time.Minute).noAction().phase("codebase", Watching)
			s.tells("trigger t0 codebase: "+c.page, "resolve t0 codebase: closed")
		})
	}
}

func TestAStartThatItTellsOfItselfIsToldAfterItsOwnTime(t *testing.T) {
	after := PageAfter{Unknown: 10 * time.Minute}
	require.Equal(t, 10*time.Minute, after.unclear(detect.ClassStarting), "not set: as unknown")
	after.Starting = time.Hour
	require.Equal(t, time.Hour, after.unclear(detect.ClassStarting))
	require.Equal(t, 10*time.Minute, after.unclear(detect.ClassGateway))
}

func TestAnUnknownThatKeepsChangingItsFaceIsPagedToo(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"] = database("p1"), well("w1")
	for i := range 200 {
		what := but(noReply("c1"), detect.HTTPOutcome, detect.OutcomeGarbage)
		if i%2 == 0 {
			what = but(noReply("c1"), detect.HTTPOutcome, detect.OutcomeHTML)
		}
		s.in(poll).sees("codebase", what)
	}
	s.noAction().tells("trigger t0 codebase: unknown-too-long")
}

func TestAProblemThatIsHiddenByUnknownLooksInBetweenIsActedOn(t *testing.T) {
	s := quiet(t)
	s.host["postgres"], s.host["workflow"] = database("p1"), well("w1")
	for i := range 10 {
		s.in(poll).sees("postgres", database("p1"))
		s.sees("codebase", []detect.Facts{noReply("c1"), but(noReply("c1"), detect.HTTPOutcome, detect.OutcomeGarbage)}[i%2])
	}
	s.actions("restart codebase-mcp.service")
}
