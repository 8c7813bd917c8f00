/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bench for interrupts: vCPUs that run selftests/guest/intr.S, whose steps
 * the tests write.  Functions return 0 or a negative errno unless said.
 */
#ifndef SELFTESTS_DEVICE_INTR_H
#define SELFTESTS_DEVICE_INTR_H

#include "../guest/intr.h"
#include "vm.h"

DECLARE_GUEST(intr);
DECLARE_GUEST(start);

/* Registers of the APIC: offset in its page, and MSR. */
#define APIC_ID		0x20
#define APIC_TPR	0x80
#define APIC_PPR	0xa0
#define APIC_EOI	0xb0
#define APIC_LDR	0xd0
#define APIC_DFR	0xe0
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_IRR	0x200
#define APIC_ESR	0x280
#define APIC_ICR	0x300
#define APIC_ICR_HIGH	0x310
#define APIC_LVT_TIMER	0x320
#define APIC_LVT_ERROR	0x370
#define APIC_INITIAL	0x380
#define APIC_CURRENT	0x390
#define APIC_DIVIDE	0x3e0
#define X2APIC(offset)	(0x800 + (offset) / 16)
#define MSR_SELF_IPI	0x83f
#define MSR_APIC_BASE	0x1b
#define MSR_DEADLINE	0x6e0

#define APIC_BASE_X2	0xfee00c00

struct step {
	uint32_t what, a, b, c;
};

/* A VM with APICs whose CPUID has the TSC deadline too, and vCPUs that are about to step. */
int intr_open(struct bench *bench, struct bench_config config);
/* Steps with fewer operands leave the rest zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* The steps of vCPU i; STEP_DONE ends them. */
void intr_steps(struct bench *bench, unsigned int i, const struct step *steps, unsigned int n);
#define INTR_STEPS(bench, i, ...) \
	intr_steps(bench, i, (const struct step[]){ __VA_ARGS__ }, \
		   sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))
/* Steps that make the APIC an x2APIC and switch it on. */
#define STEPS_X2APIC \
	{ STEP_WRMSR, MSR_APIC_BASE, APIC_BASE_X2, 0 }, { STEP_WRMSR, X2APIC(APIC_SVR), 0x1ff, 0 }
#define STEP_X2(offset, value) { STEP_WRMSR, X2APIC(offset), value, 0 }
#define STEP_ICR(low, dest) { STEP_WRMSR, X2APIC(APIC_ICR), low, dest }
/* Runs vCPU i to the next STEP_DONE or PORT_TICK: true: it came to that. */
bool intr_run(struct bench *bench, unsigned int i);
bool intr_ticked(struct bench *bench, unsigned int i);
uint32_t intr_count(struct bench *bench, unsigned int i, unsigned int vector);
uint32_t intr_result(struct bench *bench, unsigned int i, unsigned int n);
/* The n-th handler that ran was this vector's, or -1. */
int intr_log(struct bench *bench, unsigned int i, unsigned int n);

#endif
