"""Pictures of traces, each with a finding as its title and a text alternative."""
