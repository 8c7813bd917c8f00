/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private to vmx/ and nested/: what the files of vmx/ offer each other.
 */
#ifndef VELLUM_VMX_VMX_H
#define VELLUM_VMX_VMX_H

#include <linux/jump_label.h>
#include <asm/irq_vectors.h>

#include "vmcs_fields.h"
#include "vmx/caps.h"
#include "vmx/nested_ops.h"
#include "vmx/on.h"
#include "vmx/operand.h"
#include "vmx/ops.h"
#include "vmx/state.h"
#include "vmx/vcpu.h"

/* What an exit handler answers instead of -errno. */
enum exit_action {
	ENTER_AGAIN = 0,
	EXIT_TO_USER = 1, /* run->exit_reason is set */
	EXIT_SLOW = 2,	  /* in a burst alone: once more, with interrupts on */
};

/* General registers by their number in instructions; RSP is the VMCS's. */
static inline u64 gpr_read(const struct vcpu *vcpu, unsigned int n)
{
	return n == GPR_RSP ? vmread(GUEST_RSP) : vcpu->regs[n];
}

static inline void gpr_write(struct vcpu *vcpu, unsigned int n, u64 value)
{
	if (n == GPR_RSP)
		vmwrite(GUEST_RSP, value);
	else
		vcpu->regs[n] = value;
}

/* The segments' fields are at the same distance from ES's in the order of their encoding. */
#define SEGMENT_FIELD(field, seg) ((field) + 2 * (seg))

static inline unsigned int guest_cpl(void)
{
	return vmread(GUEST_SS_AR_BYTES) >> SEG_AR_DPL_SHIFT & 3;
}

/* L2 runs: VMREAD, VMWRITE and all of the vCPU's state mean L2's. */
static inline bool vmx_in_l2(const struct vcpu_vmx *vmx)
{
	return unlikely(vmx->vmcs != &vmx->vmcs01);
}

/* vmcs.c: the VMCS at creation, and the state of a CPU after reset (SDM 3A 10.1.1). */
int vmcs_create(struct vcpu *vcpu);
void vmcs_reset_guest(struct vcpu *vcpu); /* that state once more */
void vmcs_destroy(struct vcpu *vcpu);
/* Host state that depends on the CPU, if it is another one now. VMCS current, preemption off. */
void vmcs_set_host_cpu(struct vmcs *vmcs);
/* vmcs02: 0, -ENOMEM or -EIO.  Its guest state and L1's wishes are still to be written. */
int vmcs_create02(struct vcpu *vcpu);
/* The mirror, a shadow VMCS of no content: the same. */
int vmcs_create_mirror(struct vcpu *vcpu);
/* From now on the other one is loaded.  Between load and put. */
void vmcs_switch(struct vcpu *vcpu, struct vmcs *vmcs);
void vmcs_set_primary(struct vcpu_vmx *vmx, u32 bits, bool on);
void vmcs_set_secondary(struct vcpu_vmx *vmx, u32 bits, bool on);

/*
 * load.c: between vcpu_load() and vcpu_put() the VMCS is current whenever this
 * thread runs, and VMREAD and VMWRITE mean this vCPU.  May be preempted.
 */
void vcpu_load(struct vcpu *vcpu);
void vcpu_put(struct vcpu *vcpu);
/* The vCPU goes: no CPU may take another one at its address for it. */
void vcpu_forget(struct vcpu *vcpu);
/* The guest's MSRs and segments instead of the host thread's. Preemption off. */
void guest_state_load(struct vcpu *vcpu);
void guest_state_put(struct vcpu *vcpu);

/* perf.c: around a burst of entries, interrupts off. */
void perf_load_guest(struct vcpu_vmx *vmx);
void perf_load_host(struct vcpu_vmx *vmx);

/* mitigate.c */
void mitigate_init(void);
void mitigate_exit(void);
DECLARE_STATIC_KEY_FALSE(mitigate_l1d_flush);

/* Around a burst of entries, interrupts off; exits in it touch nothing but this vCPU's own data. */
static inline void mitigate_before_burst(void)
{
	if (static_branch_unlikely(&mitigate_l1d_flush))
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
}

/* VMSCAPE: what the guest taught the branch predictors, userspace must not follow. */
static inline void mitigate_after_burst(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

#define WINDOW_EXITING (CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING)

/* exits.c: #UD, #GP(0) instead of what the instruction does. */
int exit_undefined(struct vcpu *vcpu);
int exit_protection(struct vcpu *vcpu);
/*
 * Does this exit need no sleep and no lock, so that it is handled with interrupts off?
 * VMREAD and VMWRITE that have an operand in memory answer EXIT_SLOW.
 */
static inline bool exit_is_quick(u32 reason)
{
	const u64 quick = BIT_ULL(EXIT_REASON_CPUID) | BIT_ULL(EXIT_REASON_VMCALL) |
			  BIT_ULL(EXIT_REASON_PML_FULL) | BIT_ULL(EXIT_REASON_INTERRUPT_WINDOW) |
			  BIT_ULL(EXIT_REASON_NMI_WINDOW) | BIT_ULL(EXIT_REASON_MSR_READ) |
			  BIT_ULL(EXIT_REASON_WBINVD) | BIT_ULL(EXIT_REASON_DR_ACCESS) |
			  BIT_ULL(EXIT_REASON_VMREAD) | BIT_ULL(EXIT_REASON_VMWRITE);

	return reason < 64 && (quick & BIT_ULL(reason));
}

int exit_internal_error(struct vcpu *vcpu, u32 suberror);
/* RIP moves on past the instruction that exited. */
void skip_insn(struct vcpu *vcpu);

/* event.c */
/* Does this exception push an error code, in protected mode? */
bool exception_pushes_error(u8 vector);
static inline bool is_hard_exception(u32 info)
{
	return info && (info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_HARD_EXCEPTION;
}

void queue_exception(struct vcpu *vcpu, u8 vector);
void queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error);
void queue_page_fault(struct vcpu *vcpu, gva_t gva, u32 error);
/*
 * After an exit in the middle of an instruction or of an event's delivery: the
 * instruction runs again, the event is delivered again.
 */
void event_requeue(struct vcpu *vcpu);
/* The event alone: the exit itself is an exception's. */
void event_keep(struct vcpu *vcpu);
/* An external interrupt that was about to be delivered waits for a window again. */
void event_unmake_interrupt(struct vcpu *vcpu);
/* After an exit whose qualification has the NMI unblocking bit set. */
void event_restore_nmi_blocking(void);

/* inject.c: VCPU_REQ_EVENT was taken: what is delivered next? Interrupts off. */
void event_choose(struct vcpu *vcpu);
/* Writes vmx->event, which there is, into the VMCS. Interrupts off. */
void event_inject(struct vcpu *vcpu);
/* What waits for its turn is looked at again by the exit that follows the next entry at once. */
void event_exit_soon(struct vcpu *vcpu);
/* The entry failed: what it was to deliver is the next event again. */
void event_take_back(struct vcpu *vcpu);
/* The external interrupt that is next if IF lets it, or -1. */
int interrupt_due(const struct vcpu *vcpu);
/* It is acknowledged, and the caller's to deliver.  Not when there is none. */
int interrupt_take(struct vcpu *vcpu);
int exit_interrupt_window(struct vcpu *vcpu);
int exit_nmi_window(struct vcpu *vcpu);

/* pml.c */
void pml_arm(struct vcpu *vcpu);
void pml_collect(struct vcpu *vcpu); /* while it is armed */

/*
 * halt.c: the vCPU's thread sleeps, in KVM_RUN, until @due holds or the VM is
 * dead: 0; or until a signal: -EINTR with exit_reason KVM_EXIT_INTR.  @due is
 * called after each vcpu_kick(), and must not sleep.
 */
int halt_wait(struct vcpu *vcpu, bool (*due)(struct vcpu *vcpu));
/* VCPU_REQ_MP was taken: 0 when the vCPU runs again, or -EINTR, -EIO.  Between load and put. */
int halt_settle(struct vcpu *vcpu);
void halt_set_state(struct vcpu *vcpu, u32 mp_state); /* KVM_MP_STATE_* */
/* What INIT and start-up messages ask for.  Between load and put. */
void halt_take_startup(struct vcpu *vcpu);
int exit_hlt(struct vcpu *vcpu);

/* regs.c: the state after INIT (SDM 3A table 10-1); where SIPI starts.  Between load and put. */
void vcpu_init_reset(struct vcpu *vcpu);
void vcpu_sipi_start(struct vcpu *vcpu, u8 vector);

/* apic.c: with a local APIC in the kernel. */
int apic_create(struct vcpu *vcpu); /* 0 or -ENOMEM */
void apic_destroy(struct vcpu *vcpu);
/* Any context.  True: the vCPU did not have it pending yet, and was kicked. */
bool apic_accept(struct vcpu *vcpu, u8 vector, bool level);
/* An interrupt of its own: what the local vector table says at LAPIC_LVT_*.  Any context. */
void apic_local(struct vcpu *vcpu, u32 entry);
/* @offset in the page, a multiple of 16; xAPIC mode. */
u32 apic_mmio_read(struct vcpu *vcpu, u32 offset);
void apic_mmio_write(struct vcpu *vcpu, u32 offset, u32 value);
void apic_set_tpr(struct vcpu *vcpu, u8 tpr);
/* IA32_APIC_BASE, IA32_TSC_DEADLINE and x2APIC: whether or not there is an APIC. 0 or -EINVAL. */
bool apic_has_msr(u32 index);
int apic_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int apic_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);
int apic_set_base(struct vcpu *vcpu, u64 base, bool host);

/* apic_timer.c: by the vCPU's thread. */
void apic_timer_init(struct vcpu *vcpu);
void apic_timer_stop(struct vcpu *vcpu);
void apic_timer_start(struct vcpu *vcpu); /* with the initial count */
void apic_timer_rescale(struct vcpu *vcpu);
u32 apic_timer_count(struct vcpu *vcpu);
/* KVM_SET_LAPIC: goes on from @count. */
void apic_timer_restore(struct vcpu *vcpu, u32 count);
u64 apic_timer_deadline(const struct vcpu *vcpu);
void apic_timer_set_deadline(struct vcpu *vcpu, u64 tsc);
/* The guest's TSC was set. */
void apic_timer_tsc_moved(struct vcpu *vcpu);

/* tlb.c: a bit of vcpu->pending; who asks another vCPU kicks it afterwards.  Any context. */
void vcpu_request(struct vcpu *vcpu, unsigned long request);
/* The vCPU's translations of guest-virtual addresses go. VMCS current, preemption off. */
void tlb_flush_vpid(struct vcpu *vcpu);
/* Those of both its VMCSs. */
void tlb_flush_vpids(struct vcpu *vcpu);
void tlb_flush_ept(struct vcpu *vcpu);
int tlb_init(void);
void tlb_exit(void);

/* tsc.c: what RDTSC reads in the guest, not L2, now and when the host's TSC shows @host. */
u64 tsc_guest(const struct vcpu *vcpu);
/* What it reads in the guest that runs, which may be L2. */
u64 tsc_running(const struct vcpu *vcpu);
u64 tsc_guest_at(const struct vcpu *vcpu, u64 host);
u32 tsc_guest_khz(const struct vcpu *vcpu);
/* How long the guest's TSC needs for @ticks: nanoseconds, U64_MAX for what does not fit. */
u64 tsc_ticks_to_ns(const struct vcpu *vcpu, u64 ticks);
/* A vCPU is made: its TSC is that of the VM's others, or starts at 0. */
void tsc_create(struct vcpu *vcpu);
/* Offset and multiplier into the VMCS, which is current. */
void tsc_write_vmcs(struct vcpu *vcpu);
/* IA32_TSC and IA32_TSC_ADJUST; between load and put.  0 or -EINVAL. */
int tsc_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int tsc_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);

/* clock.c: kvmclock.  The request VCPU_REQ_CLOCK: the vCPU's page is to be written. May sleep. */
void clock_update(struct vcpu *vcpu);
/* The vCPU is on another CPU. Preemption off. */
void clock_cpu_changed(struct vcpu *vcpu);
/* MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK, old and new.  0 or -EINVAL. */
int clock_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int clock_set_msr(struct vcpu *vcpu, u32 index, u64 value);
int clock_init(void);
void clock_exit(void);

/* steal.c: KVM_RUN begins; the request VCPU_REQ_STEAL, may sleep; MSR_KVM_STEAL_TIME. */
static inline void steal_begin(struct vcpu *vcpu)
{
	if (unlikely(vcpu->vmx->steal.msr))
		vcpu_request(vcpu, VCPU_REQ_STEAL);
}

void steal_update(struct vcpu *vcpu);
int steal_set_msr(struct vcpu *vcpu, u64 value);
/* While steal.shown: the thread is switched out, from the scheduler; KVM_RUN ends. */
void steal_switched_out(struct vcpu *vcpu);
void steal_end(struct vcpu *vcpu);

/* cr.c: control registers as the guest sees them. */
u64 vmx_cr0(const struct vcpu *vcpu);
u64 vmx_cr4(const struct vcpu *vcpu);
void vmx_put_cr0(struct vcpu *vcpu, u64 cr0);
void vmx_put_cr4(struct vcpu *vcpu, u64 cr4);
void vmx_put_efer(struct vcpu *vcpu, u64 efer);
/* restricted.c: without paging a guest's CR3, CR4 and EFER are not the CPU's. */
u64 vmx_cr3(const struct vcpu *vcpu);
void vmx_put_cr3(struct vcpu *vcpu, u64 cr3);
/* CR0 is about to become @cr0, on a CPU without unrestricted guest. */
void restricted_follow(struct vcpu *vcpu, u64 cr0);
/* What the CPU gets for what the guest has. */
u64 restricted_cr4(const struct vcpu *vcpu, u64 cr4);
u64 restricted_efer(const struct vcpu *vcpu, u64 efer);
/* VCPU_REQ_REAL_MODE: 0, or EXIT_TO_USER if the guest is in real mode still. */
int restricted_check(struct vcpu *vcpu);
static inline u64 vmx_cr8(const struct vcpu *vcpu)
{
	return vcpu->apic ? lapic_reg(vcpu->apic, LAPIC_TPR) >> 4 : vcpu->vmx->cr8;
}

static inline void vmx_set_cr8(struct vcpu *vcpu, u64 cr8)
{
	if (vcpu->apic)
		apic_set_tpr(vcpu, (cr8 & 0xf) << 4);
	else
		vcpu->vmx->cr8 = cr8 & 0xf;
}

bool cr0_is_valid(u64 cr0);
bool cr4_is_valid(const struct vcpu *vcpu, u64 cr4);
bool efer_is_valid(const struct vcpu *vcpu, u64 efer);
/* The PDPTEs of a guest with PAE paging, from its memory. May sleep. 0 or -EFAULT. */
int vmx_load_pdptes(struct vcpu *vcpu, u64 cr3);
/* Those that the caller has: VM entry checks them. */
void vmx_put_pdptes(const u64 pdptes[4]);
int exit_cr_access(struct vcpu *vcpu);
/* In 64-bit code: CS.L in long mode. */
bool vmx_in_64bit(const struct vcpu *vcpu);
/* The linear address of the next instruction. */
gva_t vmx_linear_rip(const struct vcpu *vcpu);

/* msrs.c */
void msrs_init(void);
/* Between load and put.  0, -ENOENT or -EINVAL as vcpu_get_msr(); @host: not by the guest. */
int vmx_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int vmx_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);
/* msr_exits.c: may the guest read it?  0, -ENOENT or -EINVAL; the filter is another matter. */
int guest_check_read_msr(const struct vcpu *vcpu, u32 index);
int exit_rdmsr(struct vcpu *vcpu);
int exit_wrmsr(struct vcpu *vcpu);
/* msr_filter.c: a VM's filter and MSR bitmap; 0 or -ENOMEM, destroy is due either way. */
int vm_msrs_create(struct vm *vm);
void vm_msrs_destroy(struct vm *vm);
/* Words of 64 bits of the VM's MSR bitmap (SDM 3C 25.6.9); all others are all ones. */
#define VM_NO_EXIT_WORDS 4
extern const u16 vm_no_exit_words[VM_NO_EXIT_WORDS];
/* The owner has denied the guest this access (KVM_MSR_FILTER_READ or _WRITE). */
bool vm_filters_msr(struct vm *vm, u32 index, u32 access);
/* hypercall.c */
int exit_vmcall(struct vcpu *vcpu);
int exit_invalid_opcode(struct vcpu *vcpu);
/* May the guest use this KVM_FEATURE_*?  Always, unless its owner enforces CPUID. */
bool guest_pv_has(const struct vcpu *vcpu, unsigned int feature);
/*
 * hyperv.c: the MSRs that a guest with Hyper-V's interface has.  Between load and put; 0,
 * -ENOENT or -EINVAL.  Whether the guest may read is the caller's question.
 */
bool hyperv_has_msr(u32 index);
bool hyperv_is_offered(const struct vcpu *vcpu);
int hyperv_get_msr(struct vcpu *vcpu, u32 index, u64 *value);
int hyperv_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host);
/* The VP assist page; ~0: there is none. */
gpa_t hyperv_assist_page(const struct vcpu *vcpu);
int hyperv_hypercall(struct vcpu *vcpu); /* a VMCALL of such a guest, as exit_handle() */
void msrs_reset(struct vcpu *vcpu);
/* The SYSCALL MSRs and TSC_AUX. Preemption off. */
void msrs_switch_to_guest(struct vcpu *vcpu);
void msrs_switch_to_host(struct vcpu *vcpu);

static inline bool msrs_to_switch(const struct vcpu *vcpu)
{
	return (vcpu->vmx->efer & EFER_SCE) || vcpu->msrs.tsc_aux != vcpu->vmx->host.tsc_aux;
}

/* cpuid.c */
int exit_cpuid(struct vcpu *vcpu);
int exit_mwait(struct vcpu *vcpu); /* and MONITOR */

/* xsave.c: XCR0 around a burst of entries, interrupts off. */
DECLARE_STATIC_KEY_FALSE(xsave_in_use);
void xsave_init(void);
void xsave_exit(void);
void xsave_switch(const struct vcpu *vcpu, bool to_guest);
int exit_xsetbv(struct vcpu *vcpu);

static inline void xsave_load_guest(const struct vcpu *vcpu)
{
	if (static_branch_unlikely(&xsave_in_use))
		xsave_switch(vcpu, true);
}

static inline void xsave_load_host(const struct vcpu *vcpu)
{
	if (static_branch_unlikely(&xsave_in_use))
		xsave_switch(vcpu, false);
}

/* fpu.c */
int guest_fpu_create(struct vcpu *vcpu); /* 0 or -errno; destroy is due either way */
void guest_fpu_destroy(struct vcpu *vcpu);

/* #DB is delivered with these causes: DR6 has them. */
void debug_payload(struct vcpu *vcpu, u64 causes);
/* Which exceptions exit: ours, and those that L1 wants of its L2. */
void exceptions_write(struct vcpu_vmx *vmx);

/* narrow.c: the guest has fewer physical-address bits than the CPU, and its faults are ours. */
static inline bool vmx_is_narrow(const struct vcpu *vcpu)
{
	return unlikely(vmx_caps.narrow) && vcpu->cpuid.maxphyaddr < vmx_caps.maxphyaddr;
}

/* The page faults that are taken for that. */
extern const struct pf_wish narrow_wish;
/* The exception's that exited, as a CPU of the guest's width has it; 0: none.  May sleep. */
u32 vmx_exception_error(struct vcpu *vcpu);
int exit_page_fault(struct vcpu *vcpu);
/*
 * An EPT violation of a guest that vmx_is_narrow().  True: it was a reserved bit, and the
 * guest's page fault is queued.  May sleep.
 */
bool narrow_violation(struct vcpu *vcpu, u64 qualification);
/* debug.c: the debug registers, when the guest uses them. Interrupts off. */
void debug_load_guest(const struct vcpu_vmx *vmx);
/* A breakpoint of the guest's, or of who debugs it, can hit. */
static inline bool debug_in_use(const struct vcpu_vmx *vmx)
{
	return (vmx->dr7 & 0xff) || vmx->guest_debug;
}

/* DR7 is another one by VM entry or exit.  Between load and put. */
void debug_put_dr7(struct vcpu *vcpu, u64 dr7);
int exit_dr_access(struct vcpu *vcpu);
int exit_debug(struct vcpu *vcpu);
/* As after INIT; a debugger's own settings stay.  Between load and put. */
void debug_reset(struct vcpu *vcpu);
int exit_breakpoint(struct vcpu *vcpu); /* INT3, while userspace asks for it */

/* Exceptions that exit; #BP on demand. */
#define EXCEPTIONS_OURS (BIT(DB_VECTOR) | BIT(UD_VECTOR) | BIT(AC_VECTOR) | BIT(MC_VECTOR))

/* Userspace steps through the guest: RFLAGS.TF is its own, not the guest's. */
static inline bool debug_is_stepping(const struct vcpu_vmx *vmx)
{
	return vmx->guest_debug & KVM_GUESTDBG_SINGLESTEP;
}

/* io.c */
int exit_io(struct vcpu *vcpu);

/* mmio.c: carrying out an instruction whose operand at @gpa is no memory. */
int mmio_emulate(struct vcpu *vcpu, gpa_t gpa);
/* Code where there is no memory. */
int mmio_fetch(struct vcpu *vcpu);
/* KVM_EXIT_INTERNAL_ERROR of an access that no instruction's emulation can make. */
int mmio_impossible(struct vcpu *vcpu);
/* Userspace has left the instruction of the pending access alone. */
bool io_is_current(const struct vcpu *vcpu);
/* Everything that vmx->emul is about to touch is memory: nothing is left to do here. */
bool mmio_is_over(struct vcpu *vcpu);

/* mmio_string.c: the elements of MOVS, STOS and LODS. */
/*
 * Makes the next element ready.  @first: nothing is translated yet.  0; -EAGAIN:
 * the guest is to go on by itself; -EOPNOTSUPP.
 */
int string_prepare(struct vcpu *vcpu, bool first);
/* Index registers and counter move on.  True: the instruction is over. */
bool string_advance(struct vcpu *vcpu);
/* Is it right to go on with the next element without asking the guest's CPU? */
bool string_goes_on(struct vcpu *vcpu);

/* linear.c: segments' limits and types, or canonical addresses; *gva in either case. */
bool guest_can_address(struct vcpu *vcpu, const struct operand *op, gva_t *gva);
/* From here on 0; -EAGAIN: a fault is queued, or the guest is to try again; -EOPNOTSUPP. */
int guest_linear(struct vcpu *vcpu, const struct operand *op, gva_t *gva);
/* @access: GVA_WRITE, GVA_FETCH. */
int guest_translate(struct vcpu *vcpu, gva_t gva, u32 access, gpa_t *gpa);
/*
 * The error code of the page fault that such an access, GVA_USER among them, would meet; 0:
 * none. Accessed and dirty bits stay as they are.  May sleep.
 */
u32 guest_fault(struct vcpu *vcpu, gva_t gva, u32 access);
/* Both, for all of an operand. */
int guest_span(struct vcpu *vcpu, const struct operand *op, struct span *span);

/* What the guest that runs calls physical, in the VM's addresses: see translate(). */
static inline int guest_l1_gpa(struct vcpu *vcpu, gpa_t *gpa, u32 access, const gva_t *gva)
{
	if (likely(!vcpu->vmx->vmcs->shadowed))
		return 0;
	return nested_ops->translate(vcpu, gpa, access, gva);
}

/* guest.c */
/* An access that faulted will be made again: so will what it came in the middle of. */
void ept_before_retry(struct vcpu *vcpu, u64 qualification);
/* In a burst: true if that is all, and the guest may be entered again. */
bool exit_ept_restore(struct vcpu *vcpu);
int exit_ept_violation(struct vcpu *vcpu);
int exit_ept_misconfig(struct vcpu *vcpu);
/* Guest memory by physical address.  0 or -EFAULT. */
int guest_read(struct vcpu *vcpu, gpa_t gpa, void *to, size_t len);
int guest_read_words(struct vcpu *vcpu, gpa_t page, const u16 *number, unsigned int n, u64 *to);
int guest_write(struct vcpu *vcpu, gpa_t gpa, const void *from, size_t len);
/* A structure with a version inside, within one page; *@version is raised by 2 or 3. */
int guest_write_versioned(struct vcpu *vcpu, gpa_t gpa, void *data, size_t len, u32 *version);
/* One byte, from where nothing may sleep, if it can be; see host_poke_guest(). */
void guest_poke(struct vcpu *vcpu, gpa_t gpa, u8 value);
/* Sets @bits in @entry if it is still what it was.  0, -EAGAIN, -EFAULT. */
int guest_set_bits(struct vcpu *vcpu, const struct guest_entry *entry, u32 bits);
/* Is there a slot at @gpa, for writing too? */
bool guest_is_memory(struct vcpu *vcpu, gpa_t gpa, bool write);

#endif
