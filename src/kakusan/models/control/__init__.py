"""Networks that steer a UNet by pictures: ControlNets and T2I-Adapters."""
