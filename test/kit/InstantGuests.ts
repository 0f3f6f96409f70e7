/**
 * Guests without databases, which do at once whatever they are told: for what is about many operations, and not about
 * any of them.
 */
import { Duration, Effect, Exit, Layer, Schedule, Scope } from "effect"
import { Compute } from "../../src/services/Compute.ts"
import { ConductorApi, conductorTopic } from "../../src/services/ConductorApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestApi, guestTopic } from "../../src/services/GuestApi.ts"

/** So that nobody takes them for silent. */
const beatInterval = Duration.seconds(20)

const InstantGuest = GuestApi.omit(
  "rpc_ping",
  "get_filesystem_stats",
  "get_hwinfo",
  "get_diagnostics",
  "guest_log_list",
  "guest_log_action",
  "guest_log_text",
  "list_databases",
  "list_users",
  "get_user",
  "create_database",
  "delete_database",
  "create_user",
  "delete_user",
  "change_passwords",
  "update_attributes",
  "grant_access",
  "revoke_access",
  "enable_root",
  "enable_root_with_password",
  "disable_root"
)

export const layer = Layer.effect(
  Compute,
  Effect.gen(function* () {
    const fabric = yield* Fabric
    const conductor = fabric.client(conductorTopic, ConductorApi)
    const all = yield* Effect.scope
    const guests = new Map<string, Scope.Closeable>()

    const begin = Effect.fnUntraced(function* (id: string) {
      const heartbeat = Effect.suspend(() =>
        conductor.heartbeat({ instance_id: id, payload: { service_status: "healthy" }, sent: Date.now() / 1000 })
      ).pipe(Effect.ignore)
      const scope = yield* Scope.fork(all)
      guests.set(id, scope)
      const beats = Effect.repeat(heartbeat, Schedule.spaced(beatInterval))
      yield* fabric
        .serve(guestTopic(id), InstantGuest, {
          prepare: () => Effect.asVoid(Effect.forkIn(beats, scope)),
          restart: () => Effect.void,
          rebuild: () => Effect.void,
          upgrade: () => Effect.succeed({ state: "done" as const }),
          post_upgrade: () => Effect.void,
          stop_db: () => Effect.void,
          update_overrides: () => Effect.void,
          apply_overrides: () => Effect.void,
          apply_flavor: () => Effect.succeed({ restart_required: false }),
          start_db_with_conf_changes: () => Effect.void,
          resize_fs: () => Effect.void,
          update_access: () => Effect.void
        })
        .pipe(Scope.provide(scope))
    })

    return Compute.of({
      portOf: () => 5432,
      isFree: () => Effect.succeed(true),
      ensure: ({ instanceId }) => (guests.has(instanceId) ? Effect.void : begin(instanceId)),
      destroy: (id) =>
        Effect.suspend(() => {
          const scope = guests.get(id)
          guests.delete(id)
          return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
        })
    })
  })
)
