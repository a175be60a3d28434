package history

// The roles of an application's pods and of those around it. Records of the witness name the first two; pods of a run carry theirs in
// a label, by which the targets of faults are found.
const (
	RoleDriver         = "driver"
	RoleExecutor       = "executor"
	RoleStagingServer  = "stagingServer"
	RoleShuffleService = "shuffleService"
	RoleWitness        = "witness"      // receives what drivers and executors report, where they do not reach the harness
	RoleOutputReader   = "outputReader" // reads what the application wrote
)

// SparkRoleLabel is the label of a pod that Spark itself sets to RoleDriver or RoleExecutor.
const SparkRoleLabel = "spark-role"
