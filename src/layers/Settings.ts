/** What an operator may set by variables: how long operations may take, what is kept how long, how often it is looked for
 * what nobody owns; and by which ids orders choose network and zone. */
import { Config, Duration, Effect, Layer } from "effect"
import { AuditInterval } from "../actors/Audits.ts"
import { OperationDeadlines } from "../actors/InstanceActor.ts"
import { DeletedRetention, HandledRetention } from "../actors/Taskmanager.ts"
import { defaultDeadlines } from "../actors/Transitions.ts"
import { defaultNetwork, NetworkId, TenantNetwork } from "../services/TenantNetwork.ts"
import { defaultZone, ZoneName } from "../services/Zones.ts"

const duration = (name: string, otherwise: Duration.Duration) =>
  Config.Duration(name).pipe(Config.withDefault(otherwise))

/** The zone that this machine is in. */
export const zone = Config.schema(ZoneName, "COFFER_ZONE").pipe(Config.withDefault(defaultZone))

const networkId = (name: string, otherwise: string) =>
  Config.schema(NetworkId, name).pipe(Config.withDefault(otherwise))

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const deadlines = {
      build: yield* duration("COFFER_BUILD_DEADLINE", defaultDeadlines.build),
      restart: yield* duration("COFFER_RESTART_DEADLINE", defaultDeadlines.restart),
      configure: yield* duration("COFFER_CONFIGURE_DEADLINE", defaultDeadlines.configure),
      upgrade: yield* duration("COFFER_UPGRADE_DEADLINE", defaultDeadlines.upgrade),
      resize: yield* duration("COFFER_RESIZE_DEADLINE", defaultDeadlines.resize),
      stop: yield* duration("COFFER_STOP_DEADLINE", defaultDeadlines.stop),
      start: yield* duration("COFFER_START_DEADLINE", defaultDeadlines.start),
      rebuild: yield* duration("COFFER_REBUILD_DEADLINE", defaultDeadlines.rebuild),
      delete: yield* duration("COFFER_DELETE_DEADLINE", defaultDeadlines.delete)
    }
    const retention = yield* duration("COFFER_DELETED_RETENTION", Duration.days(7))
    const network = {
      id: yield* networkId("COFFER_NETWORK_ID", defaultNetwork.id),
      subnet: yield* networkId("COFFER_SUBNET_ID", defaultNetwork.subnet)
    }
    return Layer.mergeAll(
      Layer.succeed(TenantNetwork, network),
      Layer.succeed(OperationDeadlines, deadlines),
      Layer.succeed(DeletedRetention, retention),
      Layer.succeed(HandledRetention, yield* duration("COFFER_WORKFLOW_RETENTION", HandledRetention.defaultValue())),
      Layer.succeed(AuditInterval, yield* duration("COFFER_AUDIT_INTERVAL", AuditInterval.defaultValue()))
    )
  })
)
