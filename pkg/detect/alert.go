package detect

import "fmt"

// withAlert adds what an outside system says to a finished diagnosis. It decides nothing: it agrees with
// what we found ourselves, or is shown beside it.
func withAlert(d Diagnosis, o Observation) Diagnosis {
	name, class := o.Facts.Text(AlertFiring), Class(o.Facts.Text(AlertClass))
	if name == "" || class == ClassNone {
		return d
	}
	said := fmt.Sprintf("an outside alert fires: %s (%s)", oneLine(name), oneLine(string(class)))
	switch {
	case d.Bad() && d.Class == class && !d.Masked():
		d.Witnesses = append(d.Witnesses[:len(d.Witnesses):len(d.Witnesses)], ByAlert)
		d.Because += "; " + said
	default:
		if d.Verdict == Healthy {
			d.Because += "; " + said + ", and nothing that recoveryd sees agrees"
		}
		d.Considered = append(d.Considered, Considered{class, Degraded, said})
	}
	return d
}
