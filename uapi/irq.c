// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts: what a VM is told about its local APICs, and what a vCPU's owner
 * gives it or takes from it.
 */
#include <linux/uaccess.h>

#include "uapi/uapi.h"

static_assert(sizeof(struct kvm_lapic_state) == LAPIC_REGS_BYTES);

/* Local APICs for the vCPUs to come; PIC and I/O APIC stay userspace's. */
long irq_create_chip(struct vm *vm)
{
	long err = 0;

	mutex_lock(&vm->lock);
	if (vm->irqchip)
		err = -EEXIST;
	else if (vm->nr_vcpus)
		err = -EINVAL;
	else
		vm->irqchip = true;
	mutex_unlock(&vm->lock);
	return err;
}

long irq_set_boot_cpu(struct vm *vm, unsigned long id)
{
	long err = 0;

	if (id >= VM_MAX_VCPU_ID)
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (vm->nr_vcpus)
		err = -EBUSY;
	else
		vm->boot_id = id;
	mutex_unlock(&vm->lock);
	return err;
}

long irq_enable_x2apic_api(struct vm *vm, u64 flags)
{
	if (flags & ~(u64)KVM_X2APIC_API_USE_32BIT_IDS)
		return -EINVAL;
	if (flags)
		WRITE_ONCE(vm->x2apic_api, true);
	return 0;
}

long irq_signal_msi(struct vm *vm, const struct kvm_msi __user *user)
{
	struct kvm_msi msi;

	if (copy_from_user(&msi, user, sizeof(msi)))
		return -EFAULT;
	if (!READ_ONCE(vm->irqchip) || msi.flags)
		return -EINVAL;
	return vm_signal_msi(vm, (u64)msi.address_hi << 32 | msi.address_lo, msi.data);
}

long irq_interrupt(struct vcpu *vcpu, const struct kvm_interrupt __user *user)
{
	struct kvm_interrupt irq;

	if (copy_from_user(&irq, user, sizeof(irq)))
		return -EFAULT;
	return vcpu_interrupt(vcpu, irq.irq);
}

long irq_get_lapic(struct vcpu *vcpu, struct kvm_lapic_state *state)
{
	if (!vcpu->apic)
		return -EINVAL;
	vcpu_get_lapic(vcpu, state);
	return 0;
}

long irq_set_lapic(struct vcpu *vcpu, const struct kvm_lapic_state *state)
{
	return vcpu->apic ? vcpu_set_lapic(vcpu, state) : -EINVAL;
}
