package systemd

import "fmt"

// startFaults says what systemd could not do between its own process and the program of a unit. The numbers
// are exit statuses that it gives then, from systemd.exec(5); those of what passes by itself (204, memory;
// 219, cgroup) are not among them.
var startFaults = map[int32]string{
	200: "its working directory cannot be entered (WorkingDirectory=)",
	201: "its scheduling priority cannot be set (Nice=)",
	202: "its file descriptors cannot be set up",
	203: "the program does not exist or cannot be executed",
	205: "a resource limit cannot be set (Limit…=)",
	206: "its OOM score cannot be set (OOMScoreAdjust=)",
	208: "its standard input cannot be set up (StandardInput=)",
	209: "its standard output cannot be set up (StandardOutput=)",
	210: "its root directory cannot be entered (RootDirectory=)",
	213: "its secure bits cannot be set (SecureBits=)",
	214: "its CPU scheduling cannot be set (CPUSchedulingPolicy=)",
	215: "its CPU affinity cannot be set (CPUAffinity=)",
	216: "its group does not exist or cannot be taken (Group=, SupplementaryGroups=)",
	217: "its user does not exist or cannot be taken (User=)",
	218: "its capabilities cannot be set (CapabilityBoundingSet=, AmbientCapabilities=)",
	222: "its standard error cannot be set up (StandardError=)",
	224: "its PAM session cannot be opened (PAMName=)",
	225: "its network cannot be set up (PrivateNetwork=, NetworkNamespacePath=)",
	226: "its view of the file system cannot be set up: a path that it names does not exist (ReadWritePaths=, BindPaths=, ProtectSystem= ...)",
	227: "NoNewPrivileges= cannot be set",
	228: "its system call filter cannot be set (SystemCallFilter=)",
	229: "its SELinux context cannot be set (SELinuxContext=)",
	230: "its personality cannot be set (Personality=)",
	231: "its AppArmor profile cannot be taken (AppArmorProfile=)",
	232: "its address families cannot be limited (RestrictAddressFamilies=)",
	233: "its runtime directory cannot be made (RuntimeDirectory=)",
	235: "its files cannot be given to its user",
	236: "its SMACK label cannot be set (SmackProcessLabel=)",
	237: "its keyring cannot be set up (KeyringMode=)",
	238: "its state directory cannot be made (StateDirectory=)",
	239: "its cache directory cannot be made (CacheDirectory=)",
	240: "its log directory cannot be made (LogsDirectory=)",
	241: "its configuration directory cannot be made (ConfigurationDirectory=)",
	242: "its NUMA policy cannot be set (NUMAPolicy=)",
	243: "its credentials cannot be set up (LoadCredential=, SetCredential=)",
}

// barelyRan is longer than systemd takes from its fork to the program, in microseconds. A program that ends
// with such a status of its own accord nearly always ran longer.
const barelyRan = 2e6

// unable says why the program of a unit never ran; "" = it did, or that is not known.
func (p unitProps) unable() string {
	what, ok := startFaults[p.exitStatus]
	if !ok || p.mainPID != 0 || p.exitKind() != "exited" || p.mainStart == 0 || p.mainExit < p.mainStart || p.mainExit-p.mainStart > barelyRan {
		return ""
	}
	if p.program != "" && p.exitStatus == 203 {
		what = fmt.Sprintf("the program %s does not exist or cannot be executed (its file, its interpreter or its permissions)", p.program)
	}
	return fmt.Sprintf("%s: status %d", what, p.exitStatus)
}
