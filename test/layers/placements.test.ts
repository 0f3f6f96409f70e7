import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { placementsConformance, standing } from "../conformance/placements.ts"
import { storesWith } from "../support/postgres.ts"

placementsConformance("placements in memory", MemoryStore.layerOf(standing))
placementsConformance("placements in PostgreSQL", storesWith(standing))
