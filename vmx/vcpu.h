/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One vCPU, and what uapi/ asks of it.
 *
 * Unless a function says otherwise it is called by the vCPU's thread with
 * vcpu->mutex held, in the mm of the VM's owner.
 */
#ifndef VELLUM_VMX_VCPU_H
#define VELLUM_VMX_VCPU_H

#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/signal_types.h>
#include <asm/fpu/api.h>

#include "mmu/ring.h"
#include "platform/cpuid.h"
#include "platform/insn.h"
#include "platform/lapic.h"
#include "platform/mce.h"
#include "platform/msr.h"
#include "vmx/stats.h"
#include "vmx/vm.h"

/* GPRs in the order of their encoding in instructions and exit qualifications. */
/* clang-format off */
enum vcpu_reg {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	GPR_COUNT
};

/* clang-format on */

#define VCPU_RUN_PAGES 2

/* vcpu->mode: whether an IPI is needed to make the vCPU see a request. */
enum vcpu_mode {
	VCPU_OUTSIDE,  /* not in the entry..exit window; its PML log is empty */
	VCPU_IN_GUEST, /* from the last look at its requests until its PML log was drained */
};

/* vcpu->pending: one word of work to be done before the next entry. */
#define VCPU_REQ_PML   BIT(0) /* PML is to be armed or disarmed */
#define VCPU_REQ_DEAD  BIT(1) /* the VM is dead: -EIO */
#define VCPU_REQ_VPID  BIT(2) /* INVVPID: CR0, CR3, CR4 or EFER was set from outside */
#define VCPU_REQ_CLOCK BIT(8) /* the kvmclock page is to be written */
#define VCPU_REQ_STEAL BIT(9) /* the steal time page */

#define VCPU_REQ_YIELD	      BIT(12) /* the guest gives its turn away */
#define VCPU_REQ_REAL_MODE    BIT(13) /* is it in real mode, on a CPU that cannot run that? */
#define VCPU_REQ_EVENT	      BIT(3)  /* an interrupt, NMI or exception may wait for its turn */
#define VCPU_REQ_MP	      BIT(4)  /* mp_state is not RUNNABLE, or startup has something */
#define VCPU_REQ_TRIPLE_FAULT BIT(5)  /* KVM_EXIT_SHUTDOWN, or an exit of L2 to L1 */
#define VCPU_REQ_NESTED	      BIT(14) /* something makes L2 exit to L1 */

/* Those that may sleep: taken up with interrupts on, before a burst of entries. */
#define VCPU_REQ_SLOW \
	(VCPU_REQ_MP | VCPU_REQ_TRIPLE_FAULT | VCPU_REQ_CLOCK | VCPU_REQ_STEAL | VCPU_REQ_YIELD | \
	 VCPU_REQ_REAL_MODE | VCPU_REQ_NESTED)

/* vcpu->startup: messages that were not looked at yet. */
enum vcpu_startup { STARTUP_INIT, STARTUP_SIPI };

struct eventfd_ctx;

struct vcpu {
	u64 regs[GPR_COUNT]; /* first: entry.S addresses it; RSP is cached from the VMCS */
	struct vm *vm;
	/*
	 * Shared with userspace: read once, never trusted.  env_shared_alloc() of
	 * VCPU_RUN_PAGES: struct kvm_run, and at KVM_PIO_PAGE_OFFSET port I/O data.
	 */
	struct kvm_run *run;
	struct mutex mutex; /* one ioctl at a time */
	u32 id;
	u32 index; /* in vm->vcpus */

	unsigned long pending; /* VCPU_REQ_*, set by anybody, atomic */
	int mode;	       /* enum vcpu_mode; written by the vCPU's thread */
	int cpu;	       /* that it is loaded on, or -1; written there */
	int kicked;	       /* enum stall_cause; by whoever makes it leave the guest */
	u64 tlb_seen;	       /* vm->tlb_gen at its last INVEPT */
	struct rcuwait wait;   /* its thread sleeps in halt_wait() */

	struct ring ring;
	/* Of the ring's watermark, or NULL; changed under mutex and slots_lock. */
	struct eventfd_ctx *ring_event;
	struct table_cache tables;
	struct vcpu_stats stats;

	struct cpuid_model cpuid;
	struct msr_model msrs;
	struct mce_model mce;
	struct lapic *apic; /* NULL without KVM_CREATE_IRQCHIP */
	u32 mp_state;	    /* KVM_MP_STATE_* */
	/* Left by other CPUs, atomic. */
	unsigned long startup; /* bits of enum vcpu_startup */
	u8 sipi_vector;
	atomic_t nmis;
	bool ran;	  /* entered at least once */
	bool pv_enforced; /* paravirtual features are those of CPUID alone */

	sigset_t sigset;
	bool sigset_active;

	struct vcpu_vmx *vmx; /* private to vmx/: VMCS, PML page, host state, FPU */
};

struct vcpu *vcpu_create(struct vm *vm, u32 id, u32 index); /* or ERR_PTR; not yet published */
void vcpu_destroy(struct vcpu *vcpu);			    /* no thread uses it any more */

/*
 * The vCPU leaves the guest, or wakes up in halt_wait(), and looks at its
 * requests and at whatever the caller wrote before.  Does not wait for it; any
 * context but NMI.
 */
void vcpu_kick(struct vcpu *vcpu);

void vcpu_signal_ring(struct vcpu *vcpu);
/* The ring's watermark was reached: says so.  Its thread, or who holds the slots_lock. */
static inline void vcpu_tell_ring(struct vcpu *vcpu)
{
	if (ring_take_event(&vcpu->ring))
		vcpu_signal_ring(vcpu);
}

/*
 * KVM_RUN, after uapi/ has set the signal mask: runs the guest until an exit
 * is userspace's.  0 with run->exit_reason set, or -EINTR (a signal, and
 * exit_reason says KVM_EXIT_INTR; or immediate_exit, and exit_reason stays),
 * -EFAULT, -EIO, -EAGAIN.
 */
int vcpu_run(struct vcpu *vcpu);

void vcpu_get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
void vcpu_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs);
void vcpu_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
/* 0, or -EINVAL and nothing changed. */
int vcpu_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs);
/* The same without the interrupt bitmap, and with the PDPTEs where they are in use. */
void vcpu_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs);
int vcpu_set_sregs2(struct vcpu *vcpu, const struct kvm_sregs2 *sregs);
void vcpu_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *regs);
int vcpu_set_debugregs(struct vcpu *vcpu, const struct kvm_debugregs *regs);
#define GUEST_DEBUG_FLAGS \
	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | \
	 KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | \
	 KVM_GUESTDBG_BLOCKIRQ)
/* 0, -EINVAL: unknown flags, -EBUSY: an exception is on its way already. */
int vcpu_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *debug);
/* The standard format of XSAVE; also on a CPU without it. */
void vcpu_get_xsave(struct vcpu *vcpu, struct kvm_xsave *xsave);
int vcpu_set_xsave(struct vcpu *vcpu, const struct kvm_xsave *xsave);
/* None, and -EINVAL, where the host has no XSAVE. */
void vcpu_get_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs);
int vcpu_set_xcrs(struct vcpu *vcpu, const struct kvm_xcrs *xcrs);
void vcpu_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu);
int vcpu_set_fpu(struct vcpu *vcpu, const struct kvm_fpu *fpu);
/* KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS: 0 or -EINVAL. */
void vcpu_get_events(struct vcpu *vcpu, struct kvm_vcpu_events *events);
int vcpu_set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *events);
/* KVM_INTERRUPT: 0, -EINVAL, -ENXIO (the APIC is here), -EEXIST (one is waiting). */
int vcpu_interrupt(struct vcpu *vcpu, u32 vector);
void apic_nmi(struct vcpu *vcpu); /* KVM_NMI */
u32 vcpu_get_mp_state(struct vcpu *vcpu);
int vcpu_set_mp_state(struct vcpu *vcpu, u32 mp_state); /* 0 or -EINVAL */
/* With a local APIC. */
void vcpu_get_lapic(struct vcpu *vcpu, struct kvm_lapic_state *state);
int vcpu_set_lapic(struct vcpu *vcpu, const struct kvm_lapic_state *state); /* 0 or -EINVAL */
/* KVM_SIGNAL_MSI in a VM whose vCPUs have local APICs: how many took it.  Any context. */
int vm_signal_msi(struct vm *vm, u64 address, u32 data);
/* All MSRs, vmx/'s and the model's.  0, -ENOENT: unknown, -EINVAL: a value that faults. */
int vcpu_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int vcpu_set_msr(struct vcpu *vcpu, u32 index, u64 value);
/* KVM_SET_TSC_KHZ and KVM_GET_TSC_KHZ: 0, the frequency, or -EINVAL, -EIO. */
int vcpu_set_tsc_khz(struct vcpu *vcpu, unsigned long khz);
int vcpu_get_tsc_khz(struct vcpu *vcpu);
/* KVM_KVMCLOCK_CTRL: 0, or -EINVAL where the guest has no clock page. */
int vcpu_clock_paused(struct vcpu *vcpu);
/* What machine checks can have: IA32_MCG_CAP less the number of banks. */
u64 mce_supported(void);
/* KVM_X86_SETUP_MCE and KVM_X86_SET_MCE: 0 or -EINVAL. */
int vcpu_setup_mce(struct vcpu *vcpu, u64 cap);
int vcpu_set_mce(struct vcpu *vcpu, const struct kvm_x86_mce *error);
/* KVM_VCPU_TSC_OFFSET: the guest's TSC less the host's, scaled. */
u64 vcpu_get_tsc_offset(struct vcpu *vcpu);
void vcpu_set_tsc_offset(struct vcpu *vcpu, u64 offset);
/* After vcpu->cpuid was replaced. */
void vcpu_cpuid_changed(struct vcpu *vcpu);

/* The vmx side of module init and exit; refuses with a sentence in the log and -errno. */
int vmx_init(void);
void vmx_exit(void);
/* What tracking this machine has, after the module's parameters. */
struct mmu_caps vmx_mmu_caps(void);
/* Guests may run in real mode, and without paging need no identity map. */
bool vmx_is_unrestricted(void);
/* KVM_CAP_SMALLER_MAXPHYADDR. */
bool vmx_allows_narrow(void);
/* Highest GFN a slot may hold. */
gfn_t vmx_max_gfn(void);

#endif
