package scenario

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// resilient returns the settings of the profile that is the default.
func resilient() map[string]ConfValue {
	conf := map[string]ConfValue{}
	for _, s := range ProfileSettings(ProfileResilient) {
		conf[s.Key] = Plain(s.Value)
	}
	return conf
}

func pointer[T any](v T) *T { return &v }

func TestDefaultFillsWhatIsNotGiven(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		given Spec
		want  Spec
	}{
		"nothing given": {
			want: Spec{
				Cluster: Cluster{Workers: 3, Timing: Timing{Name: TimingFast}},
				Workload: Workload{
					Driver: Driver{Kind: DriverJob, PodReplacementPolicy: TerminatingOrFailed, BackoffLimit: pointer(int32(6)),
						TolerationSeconds: pointer(int64(2)), Memory: "512m", Cores: "0.5"},
					Executors:     Executors{Instances: 2, Cores: 1, RequestCores: "0.5", Memory: "512m", TolerationSeconds: pointer(int64(2))},
					StagingServer: StagingServer{Storage: "none"},
					Storage:       StorageShared,
					Profile:       ProfileResilient, Conf: resilient(),
				},
				Settle: Duration(2 * time.Minute),
			},
		},
		"a bare pod has nothing of a Job": {
			given: Spec{
				Cluster: Cluster{Workers: 5, Timing: Timing{Knobs: &Knobs{}}},
				Workload: Workload{
					Driver:    Driver{Kind: DriverPod, TolerationSeconds: pointer(int64(0)), Memory: "1g", Cores: "2"},
					Storage:   StorageLocal,
					Profile:   ProfileStock,
					Executors: Executors{Instances: 1, Cores: 2, RequestCores: "1", Memory: "2g", TolerationSeconds: pointer(int64(9))},

					ShuffleService: ShuffleService{Enabled: true},
				},
				Settle: Duration(time.Second),
			},
			want: Spec{
				Cluster: Cluster{Workers: 5, Timing: Timing{Knobs: &Knobs{}}},
				Workload: Workload{
					Driver:        Driver{Kind: DriverPod, TolerationSeconds: pointer(int64(0)), Memory: "1g", Cores: "2"},
					Executors:     Executors{Instances: 1, Cores: 2, RequestCores: "1", Memory: "2g", TolerationSeconds: pointer(int64(9))},
					StagingServer: StagingServer{Storage: "none"},
					Storage:       StorageLocal,
					Profile:       ProfileStock,

					ShuffleService: ShuffleService{Enabled: true, LocalDirectory: LocalDirectoryNode},
				},
				Settle: Duration(time.Second),
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Scenario{Spec: test.given}
			Default(&s)
			if diff := cmp.Diff(test.want, s.Spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			Default(&s)
			if diff := cmp.Diff(test.want, s.Spec); diff != "" {
				t.Errorf("a second Default changes it (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTimingResolve(t *testing.T) {
	t.Parallel()
	const s = Duration(time.Second)
	tests := map[string]struct {
		timing Timing
		want   Knobs
	}{
		"fast":       {Timing{Name: TimingFast}, Knobs{1 * s, 4 * s, s / 2, 4 * s}},
		"production": {Timing{Name: TimingProduction}, Knobs{10 * s, 40 * s, 5 * s, 50 * s}},
		"knobs":      {Timing{Knobs: &Knobs{NodeMonitorPeriod: s, NodeMonitorGracePeriod: 20 * s}}, Knobs{10 * s, 40 * s, s, 20 * s}},
	}
	for name, test := range tests {
		if diff := cmp.Diff(test.want, test.timing.Resolve()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
