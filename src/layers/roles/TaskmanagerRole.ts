/** `coffer taskmanager`: the actors. Any number of them share the instances, by way of the database. */
import { Duration, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Actors from "../../actors/Actors.ts"
import * as Auditor from "../../actors/Auditor.ts"
import * as Audits from "../../actors/Audits.ts"
import * as InstanceActor from "../../actors/InstanceActor.ts"
import * as Taskmanager from "../../actors/Taskmanager.ts"
import { commandHost } from "../../services/Placing.ts"
import * as Cluster from "../cluster/Cluster.ts"
import { sessionName } from "../cluster/Lease.ts"
import * as Leaving from "../cluster/Leaving.ts"
import * as Report from "../cluster/Report.ts"
import * as Tenure from "../cluster/Tenure.ts"
import * as HostsCompute from "../compute/HostsCompute.ts"
import * as HostsInventory from "../compute/HostsInventory.ts"
import { type ConfigurationOf, healthAddress } from "../config/Configuration.ts"
import * as Health from "../Health.ts"
import * as Metrics from "../Metrics.ts"
import * as ClusterPruning from "../postgres/ClusterPruning.ts"
import * as PgAuditStore from "../postgres/PgAuditStore.ts"
import * as PgJournal from "../postgres/PgJournal.ts"
import * as PgOrders from "../postgres/PgOrders.ts"
import * as PgPlacements from "../postgres/PgPlacements.ts"
import * as Checks from "./Checks.ts"
import * as ControlPlane from "./ControlPlane.ts"
import * as GuestAccess from "./GuestAccess.ts"

type Config = ConfigurationOf<"taskmanager">

const settings = ({
  audit_interval,
  build_deadline,
  configure_deadline,
  delete_deadline,
  deleted_retention,
  rebuild_deadline,
  resize_deadline,
  restart_deadline,
  upgrade_deadline,
  start_deadline,
  stop_deadline,
  workflow_retention
}: Config["taskmanager"]) =>
  Layer.mergeAll(
    Layer.succeed(InstanceActor.OperationDeadlines, {
      build: build_deadline,
      restart: restart_deadline,
      configure: configure_deadline,
      upgrade: upgrade_deadline,
      resize: resize_deadline,
      stop: stop_deadline,
      start: start_deadline,
      rebuild: rebuild_deadline,
      delete: delete_deadline
    }),
    Layer.succeed(Taskmanager.DeletedRetention, deleted_retention),
    Layer.succeed(Taskmanager.HandledRetention, workflow_retention),
    Layer.succeed(Audits.AuditInterval, audit_interval)
  )

export const layer = (config: Config) => {
  const address = Cluster.addressOf(config.taskmanager)
  const { compute_command, compute_command_addresses, workflow_retention } = config.taskmanager
  const compute = { command: compute_command ?? null, queues: config.broker.queues }
  const audits = Audits.layer.pipe(
    Layer.provide(Auditor.layer(HostsInventory.standing(compute_command))),
    Layer.provide(Metrics.ofAudits)
  )
  return Layer.merge(Actors.layer, audits).pipe(
    Layer.provide([Metrics.layer, ClusterPruning.layer, Report.layer(address), Leaving.layer(address)]),
    Layer.merge(Health.serve(healthAddress(config, "taskmanager"))),
    Layer.provide([Checks.ofStore, Checks.ofFabric]),
    Layer.provide(Health.layer("taskmanager")),
    Layer.provide(HostsInventory.layer(compute)),
    Layer.provide(HostsCompute.layer(compute).pipe(Layer.provide(PgOrders.layer))),
    Layer.provide(
      PgPlacements.layer(compute_command_addresses === undefined ? [] : [commandHost(compute_command_addresses)])
    ),
    Layer.provide(
      GuestAccess.layer(config).pipe(Layer.provide(Tenure.requests.pipe(Layer.provide(FetchHttpClient.layer))))
    ),
    Layer.provide([PgAuditStore.layer, PgJournal.layer]),
    Layer.provide(ControlPlane.catalog(config)),
    Layer.provide(Cluster.layer(config.taskmanager)),
    Layer.provide(ControlPlane.fabric(config, "taskmanager")),
    Layer.provide(ControlPlane.store(config, "taskmanager", sessionName(address))),
    Layer.provide(Tenure.layer),
    Layer.provide(settings(config.taskmanager)),
    Layer.provide(
      ControlPlane.variables({ COFFER_WORKFLOW_RETENTION: `${Duration.toMillis(workflow_retention)} millis` })
    )
  )
}
