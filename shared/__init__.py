"""What the add-on and the engine both speak: jobs, messages, the wire, errors."""
