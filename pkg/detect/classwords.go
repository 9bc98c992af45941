package detect

// Words says in a word or two what is wrong, as notices, pages and lists call it. A class that an
// operator declared is called by its name.
func (c Class) Words() string {
	switch c {
	case ClassDown:
		return "down"
	case ClassHung:
		return "hung"
	case ClassDatabase:
		return "database dead or frozen"
	case ClassPool:
		return "connections used up"
	case ClassMemory:
		return "out of memory"
	case ClassLatency:
		return "too slow"
	case ClassDisk:
		return "disk full"
	case ClassPort:
		return "its port is taken"
	case ClassMisconfigured:
		return "misconfigured"
	case ClassDependency:
		return "dependency down"
	case ClassGateway:
		return "a gateway answers in its place"
	case ClassStarting:
		return "still starting"
	case ClassRefusing:
		return "database lets nobody in"
	case ClassUnknown:
		return "unwell"
	case ClassNone:
	}
	return string(c)
}
