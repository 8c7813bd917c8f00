// SPDX-License-Identifier: GPL-2.0
/*
 * What the local APIC's registers ask of the world: IPIs to other vCPUs, the
 * timer, an interrupt for the vCPU itself.  And its ways in: MMIO, MSRs, MSIs,
 * KVM_GET_LAPIC and KVM_SET_LAPIC.
 */
#include <asm/apicdef.h>
#include <asm/msr-index.h>

#include "vmx/vmx.h"

#define X2APIC_MSRS 0x100

/*
 * Wakes or interrupts the vCPU after something was left for it to find.  The
 * bits are atomic and vcpu_kick() has the barrier; the partner is take_requests()
 * in run.c, which clears the request before event_choose() reads IRR.
 */
static void call_vcpu(struct vcpu *vcpu, unsigned long request)
{
	vcpu_request(vcpu, request);
	vcpu_kick(vcpu);
}

bool apic_accept(struct vcpu *vcpu, u8 vector, bool level)
{
	if (!lapic_accept(vcpu->apic, vector, level))
		return false;
	call_vcpu(vcpu, VCPU_REQ_EVENT);
	return true;
}

static void accept_init(struct vcpu *vcpu)
{
	/* A start-up message before INIT is void. */
	clear_bit(STARTUP_SIPI, &vcpu->startup);
	set_bit(STARTUP_INIT, &vcpu->startup);
	call_vcpu(vcpu, VCPU_REQ_MP);
}

static void accept_sipi(struct vcpu *vcpu, u8 vector)
{
	WRITE_ONCE(vcpu->sipi_vector, vector);
	smp_mb__before_atomic(); /* pairs with the xchg() of halt_take_startup() */
	set_bit(STARTUP_SIPI, &vcpu->startup);
	call_vcpu(vcpu, VCPU_REQ_MP);
}

void apic_nmi(struct vcpu *vcpu)
{
	atomic_inc(&vcpu->nmis);
	call_vcpu(vcpu, VCPU_REQ_EVENT);
}

void apic_local(struct vcpu *vcpu, u32 entry)
{
	u32 lvt = lapic_reg(vcpu->apic, entry);

	if (lvt & LAPIC_LVT_MASKED)
		return;
	if ((lvt >> 8 & 7) == LAPIC_FIXED)
		apic_accept(vcpu, lvt & 0xff, false);
	else if ((lvt >> 8 & 7) == LAPIC_NMI)
		apic_nmi(vcpu);
}

/* True: the target had not had it yet. */
static bool deliver(struct vcpu *target, const struct lapic_ipi *ipi)
{
	switch (ipi->delivery) {
	case LAPIC_FIXED:
	case LAPIC_LOWEST:
		return apic_accept(target, ipi->vector, ipi->level);
	case LAPIC_NMI:
		apic_nmi(target);
		return true;
	case LAPIC_INIT:
		accept_init(target);
		return true;
	case LAPIC_STARTUP:
		accept_sipi(target, ipi->vector);
		return true;
	}
	return false; /* SMI, those of a PIC, the reserved ones: nobody takes them */
}

/* @from: the sender's, or NULL for an MSI.  How many vCPUs took it.  Any context. */
static int send(struct vm *vm, struct vcpu *from, const struct lapic_ipi *ipi)
{
	unsigned int n = smp_load_acquire(&vm->nr_vcpus); /* pairs with its publication */
	struct vcpu *best = NULL, *target;
	int taken = 0;
	unsigned int i;

	if (ipi->deassert)
		return 0;
	for (i = 0; i < n; i++) {
		target = vm->vcpus[i];
		if (!lapic_is_target(target->apic, ipi, target == from))
			continue;
		if (ipi->delivery != LAPIC_LOWEST)
			taken += deliver(target, ipi);
		else if (lapic_enabled(target->apic) &&
			 (!best || lapic_comes_first(target->apic, best->apic)))
			best = target;
	}
	if (best) {
		best->apic->arbitration++;
		taken += deliver(best, ipi);
	}
	return taken;
}

static bool has_bad_vector(const struct lapic_ipi *ipi)
{
	return ipi->vector < 16 && (ipi->delivery == LAPIC_FIXED || ipi->delivery == LAPIC_LOWEST);
}

static void send_icr(struct vcpu *vcpu)
{
	struct lapic_ipi ipi = lapic_icr(vcpu->apic);

	if (!has_bad_vector(&ipi))
		send(vcpu->vm, vcpu, &ipi);
	else if (lapic_error(vcpu->apic, LAPIC_ERROR_SEND_VECTOR))
		vcpu_request(vcpu, VCPU_REQ_EVENT);
}

/* What a register's write asked for, an enum lapic_effect mask. */
static void take_effect(struct vcpu *vcpu, int effect)
{
	if (effect & LAPIC_SEND)
		send_icr(vcpu);
	if (effect & LAPIC_TIMER_START)
		apic_timer_start(vcpu);
	if (effect & LAPIC_TIMER_SCALE)
		apic_timer_rescale(vcpu);
	if (effect & LAPIC_TIMER_STOP)
		apic_timer_stop(vcpu);
	/* With nothing to deliver the next entry need not look. */
	if ((effect & LAPIC_RECHECK) && lapic_next(vcpu->apic) >= 0)
		vcpu_request(vcpu, VCPU_REQ_EVENT);
}

u32 apic_mmio_read(struct vcpu *vcpu, u32 offset)
{
	if (offset == LAPIC_TIMER_CURRENT)
		return apic_timer_count(vcpu);
	return lapic_read(vcpu->apic, offset);
}

void apic_mmio_write(struct vcpu *vcpu, u32 offset, u32 value)
{
	take_effect(vcpu, lapic_write(vcpu->apic, offset, value));
}

void apic_set_tpr(struct vcpu *vcpu, u8 tpr)
{
	take_effect(vcpu, lapic_set_tpr(vcpu->apic, tpr));
}

bool apic_has_msr(u32 index)
{
	return index == MSR_IA32_APICBASE || index == MSR_IA32_TSC_DEADLINE ||
	       index - APIC_BASE_MSR < X2APIC_MSRS;
}

static bool has_deadline(const struct vcpu *vcpu)
{
	return vcpu->apic && vcpu->apic->has_deadline;
}

int apic_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	switch (index) {
	case MSR_IA32_APICBASE:
		*value = vcpu->msrs.apic_base;
		return 0;
	case MSR_IA32_TSC_DEADLINE:
		*value = has_deadline(vcpu) ? apic_timer_deadline(vcpu) : 0;
		return 0;
	}
	if (!vcpu->apic || lapic_msr_read(vcpu->apic, index, value))
		return -EINVAL;
	if (index == APIC_BASE_MSR + LAPIC_TIMER_CURRENT / 16)
		*value = apic_timer_count(vcpu);
	return 0;
}

int apic_set_base(struct vcpu *vcpu, u64 base, bool host)
{
	bool x2apic = cpuid_entry(&vcpu->cpuid, 1, 0)->ecx & BIT(21);
	enum lapic_mode mode;

	if (!lapic_base_is_valid(vcpu->msrs.apic_base, base, x2apic, host) ||
	    msr_set(&vcpu->msrs, &vcpu->cpuid, MSR_IA32_APICBASE, base, host))
		return -EINVAL;
	if (!vcpu->apic)
		return 0;
	mode = lapic_base_mode(base);
	if (mode == LAPIC_OFF)
		apic_timer_stop(vcpu);
	if (mode != vcpu->apic->mode)
		lapic_set_mode(vcpu->apic, mode);
	return 0;
}

int apic_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	int effect;

	switch (index) {
	case MSR_IA32_APICBASE:
		return apic_set_base(vcpu, value, host);
	case MSR_IA32_TSC_DEADLINE:
		if (has_deadline(vcpu))
			apic_timer_set_deadline(vcpu, value);
		else if (!host || value)
			return -EINVAL;
		return 0;
	}
	if (!vcpu->apic)
		return -EINVAL;
	effect = lapic_msr_write(vcpu->apic, index, value);
	if (effect < 0)
		return effect;
	take_effect(vcpu, effect);
	return 0;
}

int vm_signal_msi(struct vm *vm, u64 address, u32 data)
{
	struct lapic_ipi ipi = lapic_msi(address, data, vm->x2apic_api);

	return has_bad_vector(&ipi) ? 0 : send(vm, NULL, &ipi);
}

void vcpu_get_lapic(struct vcpu *vcpu, struct kvm_lapic_state *state)
{
	lapic_get_state(vcpu->apic, (u8 *)state->regs, apic_timer_count(vcpu),
			vcpu->vm->x2apic_api);
}

int vcpu_set_lapic(struct vcpu *vcpu, const struct kvm_lapic_state *state)
{
	const u8 *page = (const u8 *)state->regs;
	u32 count;
	int ret;

	memcpy(&count, page + LAPIC_TIMER_CURRENT, sizeof(count));
	ret = lapic_set_state(vcpu->apic, page, vcpu->vm->x2apic_api);
	if (ret)
		return ret;
	apic_timer_restore(vcpu, count);
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	return 0;
}

int apic_create(struct vcpu *vcpu)
{
	vcpu->apic = kzalloc(sizeof(*vcpu->apic), GFP_KERNEL_ACCOUNT);
	if (!vcpu->apic)
		return -ENOMEM;
	apic_timer_init(vcpu);
	lapic_reset(vcpu->apic, vcpu->id);
	return 0;
}

void apic_destroy(struct vcpu *vcpu)
{
	if (!vcpu->apic)
		return;
	apic_timer_stop(vcpu);
	kfree(vcpu->apic);
}
