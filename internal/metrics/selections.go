package metrics

import (
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

const (
	kibibyte = 1 << 10
	mebibyte = 1 << 20
)

// The paths at which a driver's UI offers metrics. The slash at the end spares a redirection.
const (
	DriverPath    = "/metrics/driver/prometheus"
	ExecutorsPath = "/metrics/executors/prometheus"
	APIServerPath = "/metrics"
)

// Driver selects from what Spark's PrometheusServlet tells of a driver. Its names contain the application's id, or whatever the
// application calls itself.
func Driver() Selection {
	queue := func(name string) map[string]string { return map[string]string{"queue": name} }
	s := Selection{
		From: history.MetricsDriver, MaxBody: 4 * mebibyte, MaxKept: 64 * kibibyte,
		Short: func(name string) string {
			const role = "_driver_"
			at := strings.LastIndex(name, role)
			if !strings.HasPrefix(name, "metrics_") || at < 0 {
				return ""
			}
			return name[at+len(role):]
		},
		Metrics: []Metric{
			{Source: "DAGScheduler_job_activeJobs_Value", Name: "spark_driver_jobs_active"},
			{Source: "DAGScheduler_job_allJobs_Value", Name: "spark_driver_jobs_total"},
			{Source: "DAGScheduler_stage_failedStages_Value", Name: "spark_driver_stages_failed"},
			{Source: "DAGScheduler_stage_runningStages_Value", Name: "spark_driver_stages_running"},
			{Source: "DAGScheduler_stage_waitingStages_Value", Name: "spark_driver_stages_waiting"},
			{Source: "ExecutorMetrics_JVMHeapMemory_Value", Name: "spark_driver_heap_used_bytes"},
			{Source: "ExecutorMetrics_JVMOffHeapMemory_Value", Name: "spark_driver_off_heap_used_bytes"},
			{Source: "ExecutorMetrics_TotalGCTime_Value", Name: "spark_driver_gc_seconds_total", Scale: 1e-3},
			{Source: "JVMCPU_jvmCpuTime_Value", Name: "spark_driver_cpu_seconds_total", Scale: 1e-9},
			{Source: "BlockManager_memory_memUsed_MB_Value", Name: "spark_driver_storage_memory_used_bytes", Scale: mebibyte},
			{Source: "BlockManager_memory_remainingMem_MB_Value", Name: "spark_driver_storage_memory_free_bytes", Scale: mebibyte},
			{Source: "BlockManager_disk_diskSpaceUsed_MB_Value", Name: "spark_driver_storage_disk_used_bytes", Scale: mebibyte},
		},
	}
	for _, name := range []string{"appStatus", "executorManagement", "shared"} {
		s.Metrics = append(s.Metrics,
			Metric{Source: "LiveListenerBus_queue_" + name + "_size_Value", Name: "spark_driver_events_waiting", Labels: queue(name)},
			Metric{Source: "LiveListenerBus_queue_" + name + "_numDroppedEvents_Count", Name: "spark_driver_events_dropped_total",
				Labels: queue(name)})
	}
	return s
}

// Executors selects from what a driver's UI tells of its executors; one of them is the driver itself.
func Executors() Selection {
	return Selection{
		From: history.MetricsExecutors, MaxBody: 16 * mebibyte, MaxKept: 4 * mebibyte,
		Labels: []Label{{Source: "executor_id", Name: "executor", Valid: executorID}},
		Metrics: []Metric{
			{Source: "metrics_executor_activeTasks", Name: "spark_executor_tasks_active"},
			{Source: "metrics_executor_completedTasks_total", Name: "spark_executor_tasks_completed_total"},
			{Source: "metrics_executor_failedTasks_total", Name: "spark_executor_tasks_failed_total"},
			{Source: "metrics_executor_totalDuration_seconds_total", Name: "spark_executor_task_seconds_total"},
			{Source: "metrics_executor_totalGCTime_seconds_total", Name: "spark_executor_gc_seconds_total"},
			{Source: "metrics_executor_memoryUsed_bytes", Name: "spark_executor_storage_memory_used_bytes"},
			{Source: "metrics_executor_JVMHeapMemory_bytes", Name: "spark_executor_heap_peak_bytes"},
			{Source: "metrics_executor_totalShuffleRead_bytes_total", Name: "spark_executor_shuffle_read_bytes_total"},
			{Source: "metrics_executor_totalShuffleWrite_bytes_total", Name: "spark_executor_shuffle_write_bytes_total"},
		},
	}
}

// APIServer selects from what the API server tells of itself. What comes first is kept if there are too many series.
func APIServer() Selection {
	return Selection{
		From: history.MetricsAPIServer, MaxBody: 64 * mebibyte, MaxKept: 8 * mebibyte,
		Labels: []Label{
			{Source: "request_kind", Name: "kind", Valid: word}, {Source: "code", Name: "code", Valid: number},
			{Source: "verb", Name: "verb", Valid: word},
		},
		Metrics: []Metric{
			{Source: "apiserver_current_inflight_requests", Name: "apiserver_requests_inflight"},
			{Source: "etcd_request_duration_seconds_count", Name: "apiserver_etcd_requests_total"},
			{Source: "etcd_request_duration_seconds_sum", Name: "apiserver_etcd_request_seconds_total"},
			{Source: "process_cpu_seconds_total", Name: "apiserver_cpu_seconds_total"},
			{Source: "process_resident_memory_bytes", Name: "apiserver_memory_bytes"},
			{Source: "apiserver_request_total", Name: "apiserver_requests_total"},
		},
	}
}

// executorID reports whether a value names an executor: anything else could be a text of the application's.
func executorID(value string) bool { return value == "driver" || number(value) }

func number(value string) bool { return short(value) && strings.Trim(value, "0123456789") == "" }

func word(value string) bool {
	return short(value) && strings.IndexFunc(value, func(r rune) bool { return (r|0x20 < 'a' || r|0x20 > 'z') && r != '_' }) < 0
}

func short(value string) bool { return value != "" && len(value) <= 20 }
