/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A vCPU's state: how a flat guest starts in each CPU mode, and how all of it
 * moves from one vCPU to another. Errors are negative errno.
 */
#ifndef TOOLS_LIB_CPU_H
#define TOOLS_LIB_CPU_H

#include "kvm.h"

enum cpu_mode {
	CPU_REAL,   /* 16-bit, segments at 0 */
	CPU_FLAT32, /* protected mode, flat segments, no paging */
	CPU_LONG,   /* 64-bit, paging by the tables that cpu_page_tables() wrote */
};

#define CPUID_MAX 256 /* entries that we have room for */
#define MSRS_MAX  512

struct cpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_mp_state mp;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} cpuid;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[MSRS_MAX];
	} msrs;
	bool has_debugregs;
	bool has_events;
};

/* KVM_GET_SUPPORTED_CPUID given to KVM_SET_CPUID2. */
int cpu_set_supported_cpuid(struct vm *vm, struct vcpu *vcpu);

/*
 * Make the vCPU start at rip in this mode with all other general
 * registers zero. page_table (a guest address) counts in CPU_LONG only.
 */
int cpu_start(struct vcpu *vcpu, enum cpu_mode mode, uint64_t rip, uint64_t page_table);

/*
 * Identity map of the first GiB by 2 MiB pages into three pages at table, which
 * stand at guest address gpa. Accessed and dirty bits are set beforehand: no CPU
 * writes these tables, and so they never become dirty themselves.
 */
#define CPU_TABLE_BYTES (3 * PAGE_SIZE)
void cpu_page_tables(void *table, uint64_t gpa);

int cpu_save(struct vm *vm, struct vcpu *vcpu, struct cpu_state *state);
/* Returns the number of MSRs that the target refused (0: it is all there). */
int cpu_restore(struct vcpu *vcpu, struct cpu_state *state);

#endif
