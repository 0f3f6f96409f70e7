/** `coffer conductor`: takes what guests report. Any number of them share the work. */
import { Layer } from "effect"
import * as Conductor from "../../services/Conductor.ts"
import { type ConfigurationOf, healthAddress } from "../config/Configuration.ts"
import * as Health from "../Health.ts"
import * as Checks from "./Checks.ts"
import * as ControlPlane from "./ControlPlane.ts"

export const layer = (config: ConfigurationOf<"conductor">) =>
  Layer.effectDiscard(Conductor.serve).pipe(
    Layer.merge(Health.serve(healthAddress(config, "conductor"))),
    Layer.provide([Checks.ofStore, Checks.ofFabric]),
    Layer.provide(Health.layer("conductor")),
    Layer.provide(ControlPlane.fabric(config, "conductor")),
    Layer.provide(ControlPlane.store(config, "conductor"))
  )
