import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { allInstancesConformance } from "../conformance/allInstances.ts"
import { stores } from "../support/postgres.ts"

allInstancesConformance("all projects' instances in memory", MemoryStore.layer)
allInstancesConformance("all projects' instances in PostgreSQL", stores)
