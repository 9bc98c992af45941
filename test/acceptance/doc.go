// Package acceptance holds no code: its tests run the built binary as a systemd service, from the
// files of deploy/systemd and as the unprivileged user recoveryd, in a disposable lab with a real
// systemd, D-Bus, polkit, PostgreSQL and two real servers, beside fakes of PagerDuty and Slack that
// enforce the vendors' contracts. Every scenario asserts what happened and what did not.
//
// Start reading at stage_test.go (what a scenario stands on), then one file per group of scenarios.
package acceptance
