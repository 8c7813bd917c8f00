/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM whose guest is a hypervisor that does what it is told (guest/l1.S): a script
 * of VMX instructions is written here, run by bench_run(), and its results are read.
 */
#ifndef SELFTESTS_DEVICE_L1_H
#define SELFTESTS_DEVICE_L1_H

#include "../guest/l1.h"
#include "vm.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

struct l1 {
	struct bench bench;
	uint64_t revision;	/* of its VMCSs */
	uint32_t must[5], may[5]; /* controls, by enum l1_word */
	bool ept, ept_ad;
	unsigned int commands;	/* in the script so far */
};

enum l1_word { L1_PIN, L1_PROC, L1_PROC2, L1_EXIT, L1_ENTRY };

/* Whether this module's guests have VMX at all. */
bool l1_is_offered(void);
/* 0 or -errno. L1 is in VMX operation. */
int l1_open(struct l1 *l1, const struct bench_config *config);
void l1_close(struct l1 *l1);

/* A capability MSR, say: 0 or -errno. */
int l1_get_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value);
int l1_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value);

/* Adds a command; its number. */
unsigned int l1_add(struct l1 *l1, uint64_t what, uint64_t a, uint64_t b);
static inline unsigned int l1_write(struct l1 *l1, uint32_t field, uint64_t value)
{
	return l1_add(l1, L1_VMWRITE, field, value);
}

static inline unsigned int l1_read(struct l1 *l1, uint32_t field)
{
	return l1_add(l1, L1_VMREAD, field, 0);
}

/* Run the script: 0 when L1 has done it; else the exit reason, or -errno. The next begins anew. */
int l1_run(struct l1 *l1);
/* After an exit that was none of L1's: on with the same script. */
int l1_go_on(struct l1 *l1);
uint64_t l1_value(struct l1 *l1, unsigned int command);
uint64_t l1_result(struct l1 *l1, unsigned int command);
bool l1_failed(struct l1 *l1, unsigned int command);	/* VMfail of either kind */
/* CF, or ZF, alone of the arithmetic flags: VMfailInvalid, VMfailValid. */
bool l1_failed_invalid(struct l1 *l1, unsigned int command);
bool l1_failed_valid(struct l1 *l1, unsigned int command);
/* One entry, and the script is run: the number of VMfailValid's error, or -1 if it did not. */
int l1_entry_error(struct l1 *l1);

/* Nested state with room for the current VMCS and a shadow of it. */
struct l1_nested_state {
	struct kvm_nested_state head;
	uint8_t vmcs12[2 * PAGE_SIZE];
};

/* 0 or -errno. */
int l1_get_nested_state(struct vcpu *vcpu, struct l1_nested_state *state);
int l1_set_nested_state(struct vcpu *vcpu, const struct l1_nested_state *state);

/* L2's registers at the next entry, and as they were at the last exit. */
uint64_t *l1_reg(struct l1 *l1, unsigned int offset);

/*
 * VMCS @i is cleared, current and complete: a guest in 64-bit mode of this code, with
 * page tables of its own, that exits for what it is not meant to do. Adds commands only.
 */
void l1_vmcs(struct l1 *l1, unsigned int i, const void *code, unsigned int bytes);
uint64_t l1_l2_cr3(unsigned int i);
/* Word of controls with what L1 must set. */
uint32_t l1_controls(const struct l1 *l1, enum l1_word word, uint32_t want);

/*
 * The current VMCS has an EPT from now on: the identity, by 2M pages, but for the data
 * slot, which has 4K pages that l1_remap() can lead elsewhere.
 */
void l1_use_ept(struct l1 *l1);
/*
 * An EPT of three pages at @tables, which L1 has at @gpa: the identity of the first GiB
 * by 2M pages. @seen: EPT_A and EPT_D, for its entries to have. Returns the page directory.
 */
uint64_t *l1_ept(uint64_t *tables, uint64_t gpa, uint64_t seen);
/* L1 maps page @from of the data slot, as L2 sees it, to its own page @to, and says so. */
void l1_remap(struct l1 *l1, unsigned int from, unsigned int to);

/* Entries of it (SDM 3C 29.3.2). */
#define EPT_RWX			7ULL
#define EPT_MT_WB		(6ULL << 3)
#define EPT_PS			(1ULL << 7)
#define EPT_A			(1ULL << 8)
#define EPT_D			(1ULL << 9)

/* VMCS fields (SDM 3D B), and exit reasons (C). */
#define F_VPID			0x0000
#define F_PML_INDEX		0x0812
#define F_GUEST_ES		0x0800
#define F_GUEST_CS		0x0802
#define F_GUEST_SS		0x0804
#define F_GUEST_TR		0x080e
#define F_HOST_CS		0x0c02
#define F_HOST_SS		0x0c04
#define F_HOST_TR		0x0c0c
#define F_MSR_BITMAP		0x2004
#define F_PML_ADDRESS		0x200e
#define F_VM_FUNCTIONS		0x2018
#define F_EPTP			0x201a
#define F_EPTP_LIST		0x2024
#define F_LINK			0x2800
#define F_GUEST_PHYSICAL	0x2400
#define F_PIN			0x4000
#define F_PROC			0x4002
#define F_EXCEPTIONS		0x4004
#define F_PF_MASK		0x4006
#define F_PF_MATCH		0x4008
#define F_EXIT			0x400c
#define F_ENTRY			0x4012
#define F_ENTRY_INFO		0x4016
#define F_PROC2			0x401e
#define F_ERROR			0x4400
#define F_REASON		0x4402
#define F_INTR_INFO		0x4404
#define F_INTR_ERROR		0x4406
#define F_INSN_LEN		0x440c
#define F_GUEST_ES_LIMIT	0x4800
#define F_GUEST_ES_AR		0x4814
#define F_GUEST_CS_AR		0x4816
#define F_GUEST_LDTR_AR		0x4820
#define F_GUEST_TR_AR		0x4822
#define F_INTERRUPTIBILITY	0x4824
#define F_ACTIVITY		0x4826
#define F_TIMER			0x482e
#define F_QUALIFICATION		0x6400
#define F_GUEST_LINEAR		0x640a
#define F_GUEST_CR0		0x6800
#define F_GUEST_CR3		0x6802
#define F_GUEST_CR4		0x6804
#define F_GUEST_FS_BASE		0x680e
#define F_GUEST_RSP		0x681c
#define F_GUEST_RIP		0x681e
#define F_GUEST_RFLAGS		0x6820
#define F_PENDING_DEBUG		0x6822
#define F_GUEST_SYSENTER_ESP	0x6824
#define F_HOST_CR0		0x6c00
#define F_HOST_CR3		0x6c02
#define F_HOST_CR4		0x6c04

#define R_EXCEPTION		0
#define R_INTERRUPT		1
#define R_TRIPLE_FAULT		2
#define R_HLT			12
#define R_VMCALL		18
#define R_RDMSR			31
#define R_INVALID_STATE		(0x80000000 | 33)
#define R_EPT_VIOLATION		48
#define R_EPT_MISCONFIG		49
#define R_TIMER			52
#define R_VMFUNC		59
#define R_PML_FULL		62

#define C_PIN_INTERRUPTS	(1u << 0)
#define C_PIN_NMIS		(1u << 3)
#define C_PIN_TIMER		(1u << 6)
#define C_PROC_HLT		(1u << 7)
#define C_PROC_MSR_BITMAP	(1u << 28)
#define C_PROC_SECONDARY	(1u << 31)
#define C_PROC2_EPT		(1u << 1)
#define C_PROC2_VMFUNC		(1u << 13)
#define C_PROC2_PML		(1u << 17)
#define C_EXIT_64		(1u << 9)
#define C_EXIT_ACK		(1u << 15)
#define C_ENTRY_64		(1u << 9)

#endif
