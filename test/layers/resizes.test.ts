import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { resizesConformance } from "../conformance/resizes.ts"
import { stores } from "../support/postgres.ts"

resizesConformance("resizes in memory", MemoryStore.layer)
resizesConformance("resizes in PostgreSQL", stores)
