import type { Random } from '../../ports.ts'
import type { Person } from './person.ts'

interface Resource {
  resourceType: string
  id: string
  [field: string]: unknown
}

const LOINC = 'http://loinc.org'
const UCUM = 'http://unitsofmeasure.org'
const SNOMED = 'http://snomed.info/sct'
const OBSERVATION_CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category'
const CONDITION_CLINICAL = 'http://terminology.hl7.org/CodeSystem/condition-clinical'

/** @returns a FHIR R4 collection Bundle of the person's visit: patient, encounter, diagnosis, measurements and a prescription. */
export function sampleBundle(person: Person, random: Random): string {
  const id = uuids(random)
  const patient = patientOf(person, id())
  const encounter = encounterOf(person, id(), patient)
  const resources = [
    patient,
    encounter,
    conditionOf(person, id(), patient, encounter),
    observationOf(person, id(), patient, encounter, 'laboratory', {
      code: { code: '4548-4', display: 'Hemoglobin A1c/Hemoglobin.total in Blood' },
      value: quantity(person.hba1c, '%', '%'),
    }),
    pressureOf(person, id(), patient, encounter),
    prescriptionOf(person, id(), patient, encounter),
  ]
  const entry = resources.map((resource) => ({ fullUrl: `urn:uuid:${resource.id}`, resource }))
  const timestamp = `${person.visitDate}T12:00:00Z`
  return `${JSON.stringify({ resourceType: 'Bundle', id: id(), type: 'collection', timestamp, entry }, null, 2)}\n`
}

function uuids(random: Random): () => string {
  return () => {
    const bytes = random.bytes(16)
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
}

const reference = ({ id }: Resource) => ({ reference: `urn:uuid:${id}` })
const quantity = (value: number, unit: string, code: string) => ({ value, unit, system: UCUM, code })
const concept = (system: string, code: string, display: string) => ({
  coding: [{ system, code, display }],
  text: display,
})

function patientOf(person: Person, id: string): Resource {
  return {
    resourceType: 'Patient',
    id,
    identifier: [{ system: 'urn:example:northgate:mrn', value: person.recordNumber }],
    name: [{ use: 'official', family: person.family, given: [person.given] }],
    telecom: [{ system: 'phone', value: person.phone, use: 'home' }],
    gender: person.gender,
    birthDate: person.birthDate,
    address: [{ line: [person.street], city: person.town }],
  }
}

function encounterOf({ visitDate }: Person, id: string, patient: Resource): Resource {
  const AMBULATORY = {
    system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode',
    code: 'AMB',
    display: 'ambulatory',
  }
  return {
    resourceType: 'Encounter',
    id,
    status: 'finished',
    class: AMBULATORY,
    subject: reference(patient),
    period: { start: `${visitDate}T09:00:00Z`, end: `${visitDate}T09:40:00Z` },
  }
}

function conditionOf({ visitDate }: Person, id: string, patient: Resource, encounter: Resource): Resource {
  return {
    resourceType: 'Condition',
    id,
    clinicalStatus: { coding: [{ system: CONDITION_CLINICAL, code: 'active' }] },
    code: concept(SNOMED, '44054006', 'Diabetes mellitus type 2'),
    subject: reference(patient),
    encounter: reference(encounter),
    recordedDate: visitDate,
  }
}

interface Measured {
  code: { code: string; display: string }
  value: ReturnType<typeof quantity>
}

function observationOf(
  { visitDate }: Person,
  id: string,
  patient: Resource,
  encounter: Resource,
  category: string,
  measured: Measured,
): Resource {
  return {
    resourceType: 'Observation',
    id,
    status: 'final',
    category: [{ coding: [{ system: OBSERVATION_CATEGORY, code: category }] }],
    code: concept(LOINC, measured.code.code, measured.code.display),
    subject: reference(patient),
    encounter: reference(encounter),
    effectiveDateTime: `${visitDate}T09:10:00Z`,
    valueQuantity: measured.value,
  }
}

function pressureOf(person: Person, id: string, patient: Resource, encounter: Resource): Resource {
  const { visitDate, systolic, diastolic } = person
  const component = (code: string, display: string, value: number) => ({
    code: concept(LOINC, code, display),
    valueQuantity: quantity(value, 'mmHg', 'mm[Hg]'),
  })
  return {
    resourceType: 'Observation',
    id,
    status: 'final',
    category: [{ coding: [{ system: OBSERVATION_CATEGORY, code: 'vital-signs' }] }],
    code: concept(LOINC, '85354-9', 'Blood pressure panel with all children optional'),
    subject: reference(patient),
    encounter: reference(encounter),
    effectiveDateTime: `${visitDate}T09:12:00Z`,
    component: [
      component('8480-6', 'Systolic blood pressure', systolic),
      component('8462-4', 'Diastolic blood pressure', diastolic),
    ],
  }
}

function prescriptionOf({ visitDate }: Person, id: string, patient: Resource, encounter: Resource): Resource {
  return {
    resourceType: 'MedicationRequest',
    id,
    status: 'active',
    intent: 'order',
    medicationCodeableConcept: { text: 'Metformin 500 mg tablet' },
    subject: reference(patient),
    encounter: reference(encounter),
    authoredOn: visitDate,
    dosageInstruction: [{ text: 'One tablet twice a day with food' }],
  }
}
