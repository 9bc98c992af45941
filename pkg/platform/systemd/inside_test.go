package systemd

const insideVariable = "RECOVERYD_TEST_INSIDE"

const polkitRule = ``

func inside() int { return 0 }
