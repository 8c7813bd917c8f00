/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One VM: its memory, its vCPUs, and how all of its vCPUs are reached at once.
 *
 * Lock order: vcpu->mutex > vm->lock > vm->slots_lock > SRCU > mmu.lock.
 */
#ifndef VELLUM_VMX_VM_H
#define VELLUM_VMX_VM_H

#include <linux/kref.h>
#include <linux/mutex.h>

#include "mmu/host_shrinker.h"
#include "platform/msr_filter.h"
#include "vmx/stats.h"
#include "platform/clock.h"

#define VM_MAX_VCPUS   256
#define VM_MAX_VCPU_ID 256

/* KVM_CAP_DISABLE_QUIRKS2: those of which both ways are here. */
#define VM_QUIRKS \
	(KVM_X86_QUIRK_CD_NW_CLEARED /* memory is write-back either way */ | \
	 KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | KVM_X86_QUIRK_FIX_HYPERCALL_INSN | \
	 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)
/* As api.rst, KVM_SET_IDENTITY_MAP_ADDR, has it. */
#define IDENTITY_MAP_DEFAULT 0xfffbc000
/* KVM_CAP_X86_DISABLE_EXITS; PAUSE never exits. */
#define VM_EXITS_TO_DISABLE (KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE)

struct vcpu;

/* Trackers that there are, by bits of their ids; uapi/tracker.c's, under slots_lock. */
struct vm_trackers {
	u32 known; /* every logged slot has a view of it */
	u32 open;  /* it has a descriptor */
	u32 kept;  /* and stays when that is closed */
};

/* The time of a VM's guests. */
struct vm_clock {
	spinlock_t lock; /* this, and every vCPU's TSC; interrupts off */
	struct tsc_write last_write;
	u32 khz; /* of vCPUs to come */

	/* kvmclock, see clock.c. */
	struct clock_line line; /* while @exact */
	bool exact;		/* the host counts its own time by the TSC */
	bool stable;		/* and all vCPUs' TSCs are the same */
	s64 offset;		/* to the host's clock; in use while not @exact */
	s64 asleep;		/* of the host's, ns, when the line began */
	u64 wall;		/* MSR_KVM_WALL_CLOCK */
	struct list_head vms;
};

/* Hyper-V's interface (hyperv.c): any vCPU writes them, each whole. */
struct vm_hyperv {
	u64 guest_os_id; /* 0: nobody makes hypercalls */
	u64 hypercall;
};

struct vm {
	struct mmu mmu;
	struct host host; /* slots, SRCU, the owner's mm */
	struct shrinkable *shrinkable;
	struct kref refs; /* the VM's fd, each vCPU's fd */

	struct mutex lock;	 /* vCPU creation, and what is set once: ring_entries, irqchip */
	struct mutex slots_lock; /* slot changes and harvests */

	struct vcpu *vcpus[VM_MAX_VCPUS]; /* filled in order, under lock; published by nr_vcpus */
	unsigned int nr_vcpus;		  /* smp_store_release / smp_load_acquire */

	/* One more than any vCPU has seen: INVEPT before its next entry. */
	atomic64_t tlb_gen;
	/* Slots being logged: PML is armed while this is not 0.  Under slots_lock. */
	atomic_t nr_logging;

	u32 ring_entries; /* per vCPU; 0: no ring */
	struct vm_trackers trackers;
	u32 reset_from;	    /* whose ring is the next bounded RESET's first; under slots_lock */
	u64 manual_protect; /* KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | _INITIALLY_SET */
	bool irqchip;	    /* vCPUs have a local APIC */

	/* uapi/policy.c's.  Those that may change while vCPUs run are read once. */
	u64 disabled_quirks;	 /* KVM_X86_QUIRK_* */
	u64 disabled_exits;	 /* KVM_X86_DISABLE_EXITS_*, for vCPUs to come; under lock */
	u32 user_msrs;		 /* KVM_MSR_EXIT_REASON_* that go to userspace */
	u32 max_vcpu_id;	 /* 0: not chosen; under lock */
	bool hide_platform_info; /* MSR_PLATFORM_INFO faults when the guest reads it */
	struct msr_filter __rcu *msr_filter; /* NULL: all are allowed; replaced under lock */
	unsigned long *msr_bitmap;	     /* the VMCSs', a page */

	/* Without unrestricted guest: the page table of guests that do not page.  Under lock. */
	gpa_t identity_map;
	unsigned long identity_hva; /* where its page is; 0: not made yet */

	u32 max_shadow_pages;		/* KVM_SET_NR_MMU_PAGES; 0: not set */
	bool exit_on_emulation_failure; /* also of a guest's user */

	u32 boot_id;		 /* of the vCPU that starts by itself */
	bool x2apic_api;	 /* 32-bit ids in KVM_GET_LAPIC and MSIs (KVM_CAP_X2APIC_API) */
	bool exception_payload;	 /* KVM_CAP_EXCEPTION_PAYLOAD */
	bool triple_fault_event; /* KVM_CAP_X86_TRIPLE_FAULT_EVENT */
	bool dead;		 /* an invariant broke: every vCPU ioctl answers -EIO */

	struct vm_clock clock;
	struct vm_hyperv hyperv;
	struct vm_stats stats;
};

/* Objects alive in the module: printed at unload, and all zero by then. */
extern atomic_long_t vellum_vms, vellum_vcpus;

/* A VM of the current mm, or ERR_PTR(-errno).  Takes VMX on every CPU if it is the first. */
struct vm *vm_create(void);
void vm_get(struct vm *vm);
void vm_put(struct vm *vm); /* the last one frees the VM and its vCPUs */

/*
 * Discharges @batch: if it asks for a flush, then when this returns every vCPU
 * has left the guest at least once since the call, has drained its PML log into
 * the trackers and will INVEPT before it enters again; the dead tables are
 * freed.  Interrupts on; no spinlock but the MMU's write lock may be held.
 */
void tlb_discharge(struct vm *vm, struct tlb_batch *batch);

/*
 * What was permitted or made before the call is recorded: every vCPU drains its
 * PML log and ends its burst, as for a flush.  Nothing where D bits are the record.
 */
void vm_drain_writes(struct vm *vm);

/*
 * After nr_logging went from or to 0: every vCPU has PML armed or not
 * accordingly before it enters again, and none runs with the old setting when
 * this returns.
 */
void vm_update_pml(struct vm *vm);

/* KVM_SET_TSC_KHZ of a VM: of vCPUs to come; 0: the host's.  0 or -EINVAL. */
int vm_set_tsc_khz(struct vm *vm, unsigned long khz);
void vm_clock_create(struct vm *vm);
void vm_clock_destroy(struct vm *vm);
/* A vCPU's TSC is another now, or there is another vCPU.  May not be called with interrupts off. */
void vm_clock_tsc_changed(struct vm *vm);
/* KVM_GET_CLOCK and KVM_SET_CLOCK; 0 or -EINVAL. */
void vm_get_clock(struct vm *vm, struct kvm_clock_data *data);
int vm_set_clock(struct vm *vm, const struct kvm_clock_data *data);
/* Can a guest's TSC have another frequency than the host's? */
bool tsc_can_scale(void);

/*
 * Every vCPU has @request (VCPU_REQ_*), and has left the guest since.  Interrupts on.
 */
void vm_request(struct vm *vm, unsigned long request);
/* Every vCPU that is in the guest leaves it, logs drained; returns when all have. */
void vm_kick_all(struct vm *vm);

/* Takes @filter over.  When this returns no vCPU runs with the old one.  May sleep. */
void vm_set_msr_filter(struct vm *vm, struct msr_filter *filter);

static inline bool vm_has_quirk(const struct vm *vm, u64 quirk)
{
	return !(READ_ONCE(vm->disabled_quirks) & quirk);
}

/* The VM cannot be trusted any more: says why once, makes every vCPU exit with -EIO. */
void vm_kill(struct vm *vm, const char *why);

#endif
