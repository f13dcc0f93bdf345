import { XcareError } from '../errors.ts'

/** What each purpose means to a person, as it ends the sentence "to read it ...". Codes: HL7 v3 PurposeOfUse. */
const PURPOSES = {
  TREAT: 'for treatment',
  ETREAT: 'for emergency treatment',
  CAREMGT: 'to manage care',
  HPAYMT: 'for payment',
  COVERAGE: 'for insurance coverage',
  CLMATTCH: 'to check a claim',
  HRESCH: 'for research',
  CLINTRCH: 'for a clinical trial',
  PATRQT: 'at your request',
  FAMRQT: 'at the request of family',
  PWATRNY: 'by power of attorney',
  SUPNWK: 'as part of your support network',
  PUBHLTH: 'for public health',
  HOPERAT: 'to run health services',
  HQUALIMP: 'to improve quality of care',
  HLEGAL: 'for a legal matter',
  HTEST: 'for a test with made-up data',
} as const

/** A purpose of use that a grant can name. Emergency access without a grant (code BTG) is not one. */
export type Purpose = keyof typeof PURPOSES

/** All purposes, with the words for people. */
export const PURPOSE_CODES = Object.keys(PURPOSES) as [Purpose, ...Purpose[]]

/** @returns the purpose named by `text`, upper or lower case. @throws XcareError USAGE listing the codes. */
export function parsePurpose(text: string): Purpose {
  const code = text.toUpperCase()
  if (Object.hasOwn(PURPOSES, code)) return code as Purpose
  throw new XcareError('USAGE', `"${text.slice(0, 40)}" is not a purpose of use`, {
    next: `use one of ${PURPOSE_CODES.join(', ')}`,
  })
}

/** @returns the words for people, for example "for treatment". */
export function purposeWords(purpose: Purpose): string {
  return PURPOSES[purpose]
}
