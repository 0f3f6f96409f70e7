/** `coffer taskmanager`: the actors. Any number of them share the instances, by way of the database. */
import { NodeClusterSocket } from "@effect/platform-node"
import { Duration, Layer, Option } from "effect"
import { ClusterWorkflowEngine, RunnerAddress } from "effect/cluster"
import * as Auditor from "../../actors/Auditor.ts"
import * as Audits from "../../actors/Audits.ts"
import * as BuildInstance from "../../actors/BuildInstance.ts"
import * as DeleteInstance from "../../actors/DeleteInstance.ts"
import * as InstanceActor from "../../actors/InstanceActor.ts"
import * as RestartInstance from "../../actors/RestartInstance.ts"
import * as Taskmanager from "../../actors/Taskmanager.ts"
import { commandHost } from "../../services/Placing.ts"
import * as HostsCompute from "../compute/HostsCompute.ts"
import * as HostsInventory from "../compute/HostsInventory.ts"
import { type ConfigurationOf, healthAddress } from "../config/Configuration.ts"
import * as Health from "../Health.ts"
import * as Metrics from "../Metrics.ts"
import * as ClusterPruning from "../postgres/ClusterPruning.ts"
import * as PgAuditStore from "../postgres/PgAuditStore.ts"
import * as PgPlacements from "../postgres/PgPlacements.ts"
import * as Checks from "./Checks.ts"
import * as ControlPlane from "./ControlPlane.ts"
import * as GuestAccess from "./GuestAccess.ts"

type Config = ConfigurationOf<"taskmanager">

/** How long a stop waits for the step in flight; what it cuts off is run again by another, or at the next start. */
const terminationTimeout = Duration.seconds(5)

/** Taskmanagers find each other in the database, and speak to each other at these addresses. */
const cluster = ({ taskmanager: { host, port } }: Config) =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(
      NodeClusterSocket.layer({
        shardingConfig: {
          runnerAddress: Option.some(RunnerAddress.make(host, port)),
          maxResidentEntities: "unbounded",
          entityTerminationTimeout: terminationTimeout
        }
      })
    )
  )

const settings = ({
  audit_interval,
  build_deadline,
  delete_deadline,
  deleted_retention,
  restart_deadline
}: Config["taskmanager"]) =>
  Layer.mergeAll(
    Layer.succeed(InstanceActor.OperationDeadlines, {
      build: build_deadline,
      restart: restart_deadline,
      delete: delete_deadline
    }),
    Layer.succeed(Taskmanager.DeletedRetention, deleted_retention),
    Layer.succeed(Audits.AuditInterval, audit_interval)
  )

export const layer = (config: Config) => {
  const { compute_command, compute_command_addresses, workflow_retention } = config.taskmanager
  return Layer.merge(Taskmanager.layer, Audits.layer).pipe(
    Layer.provide(Auditor.layer([])),
    Layer.provide(Metrics.ofAudits),
    Layer.provideMerge(InstanceActor.layer),
    Layer.provide([BuildInstance.layer, RestartInstance.layer, DeleteInstance.layer]),
    Layer.provide([Metrics.layer, ClusterPruning.layer]),
    Layer.merge(Health.serve(healthAddress(config, "taskmanager"))),
    Layer.provide([Checks.ofStore, Checks.ofFabric]),
    Layer.provide(Health.layer("taskmanager")),
    Layer.provide(HostsInventory.layer),
    Layer.provide(HostsCompute.layer({ command: compute_command ?? null, queues: config.broker.queues })),
    Layer.provide(
      PgPlacements.layer(compute_command_addresses === undefined ? [] : [commandHost(compute_command_addresses)])
    ),
    Layer.provide(GuestAccess.layer(config)),
    Layer.provide(PgAuditStore.layer),
    Layer.provide(ControlPlane.catalog(config)),
    Layer.provide(cluster(config)),
    Layer.provide(ControlPlane.fabric(config, "taskmanager")),
    Layer.provide(ControlPlane.store(config, "taskmanager")),
    Layer.provide(settings(config.taskmanager)),
    Layer.provide(
      ControlPlane.variables({ COFFER_WORKFLOW_RETENTION: `${Duration.toMillis(workflow_retention)} millis` })
    )
  )
}
