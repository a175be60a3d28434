package scenario

import "time"

type fakeNodeArgs struct {
	Node NodeSelector `json:"node"`
	Dry  bool         `json:"dry,omitempty"`

	StruckBy string `json:"struckBy,omitempty" ref:"fault"`
}

type fakePodArgs struct {
	Pod   PodSelector `json:"pod"`
	Grace *Duration   `json:"grace,omitempty" min:"1s"`
}

type fakeCountArgs struct {
	AtLeast int `json:"atLeast" min:"1"`
}

type fakeFaultArgs struct {
	Fault string `json:"fault" ref:"fault"`
}

type fakeBoundArgs struct {
	Within Duration `json:"within"`
}

type fakeNone struct{}

// fakeCatalogue has one entry of each shape.
func fakeCatalogue() Catalogue {
	return Catalogue{
		Faults: []Entry{
			{Name: "nodePowerOff", Doc: "Power off.", Args: func() any { return &fakeNodeArgs{} },
				Check: func(args any) []string { return args.(*fakeNodeArgs).Node.Problems("node") }},
			{Name: "podKill", Doc: "Kill.", Args: func() any { return &fakePodArgs{} }, Instant: true,
				Check: func(args any) []string { return args.(*fakePodArgs).Pod.Problems("pod") }},
		},
		Anchors: []Entry{
			{Name: "driverRescheduled", Doc: "Again.", Args: func() any { return &fakeNone{} }, Deadline: time.Minute},
			{Name: "executorsRegistered", Doc: "Executors.", Args: func() any { return &fakeCountArgs{AtLeast: 1} }, Deadline: time.Minute,
				Witness: true},
			{Name: AnchorFaultLanded, Doc: "Landed.", Args: func() any { return &fakeFaultArgs{} }, Deadline: time.Minute},
			{Name: AnchorFaultRecovered, Doc: "Recovered.", Args: func() any { return &fakeFaultArgs{} }, Deadline: time.Minute},
		},
		Invariants: []Entry{
			{Name: "completes", Doc: "Completes.", Args: func() any { return &fakeBoundArgs{} }},
			{Name: "atMostOneDriver", Doc: "One.", Args: func() any { return &fakeNone{} }},
			{Name: "resultEqualsBaseline", Doc: "Equal.", Args: func() any { return &fakeNone{} }, Baseline: true},
			{Name: "recoversFrom", Doc: "Of a fault.", Args: func() any { return &fakeFaultArgs{} }},
		},
	}
}
