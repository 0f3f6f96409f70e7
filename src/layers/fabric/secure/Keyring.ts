/** The keys of all guests, as the control plane knows them. A guest's key is drawn once, and never changes. */
import { Context, type Effect, type Option, type Redacted } from "effect"
import type { AgentKind } from "../../../services/GuestAccess.ts"
import type { InstanceId } from "../../../services/Ids.ts"

export interface GuestKey {
  /** How its messages are protected: as Trove does it, or as we do. */
  readonly protocol: AgentKind
  /** 32 letters and digits. */
  readonly key: Redacted.Redacted
}

export class Keyring extends Context.Service<
  Keyring,
  {
    /** The guest's key, drawn at the first time; the protocol is the one of that time. */
    readonly ensure: (instance: InstanceId, protocol: AgentKind) => Effect.Effect<GuestKey>
    /** By a name that somebody gave himself: it need not be an id at all. */
    readonly find: (claimed: string) => Effect.Effect<Option.Option<GuestKey>>
    /** Every guest that has a key now. */
    readonly all: Effect.Effect<ReadonlyArray<{ readonly instance: InstanceId; readonly protocol: AgentKind }>>
    /** It is unknown to this process at once, and to the others a few minutes later. */
    readonly forget: (instance: InstanceId) => Effect.Effect<void>
  }
>()("coffer/layers/fabric/secure/Keyring") {}
